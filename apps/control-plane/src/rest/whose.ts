/** Whose things are, and by which name the caller knows them. */
import type { ProgramRow } from '@holdfast/persistence';
import { DEFAULT_TENANT, isService, type Identity } from '../identity/identity.js';
import { namedId, ownId } from '../identity/tenant-ids.js';
import { programNotFound } from '../programs/program-errors.js';
import { currentProgramRow } from '../programs/program-queries.js';
import type { ProgramServices } from '../programs/program-services.js';

/** Pure. The id by which the caller names a program. */
export const shownId = (
  identity: Identity,
  { tenantId, programId }: Pick<ProgramRow, 'tenantId' | 'programId'>,
): string => (isService(identity) ? programId : ownId(tenantId, programId));

/**
 * A program that the caller may see, as it is now.
 *
 * @throws DomainError PROGRAM_NOT_FOUND, also when it is another tenant's.
 */
export const findProgram = async (
  services: ProgramServices,
  identity: Identity,
  programId: string,
): Promise<ProgramRow> => {
  // A name of the service is none of a tenant's: nothing has it.
  if (programId.includes('~') && !isService(identity)) throw programNotFound(programId);
  const row = await currentProgramRow(services, namedId(identity, programId));
  if (row === undefined || !maySee(identity, row.tenantId)) throw programNotFound(programId);
  return row;
};

/** Pure. */
const maySee = (identity: Identity, tenantId: string): boolean => isService(identity) || tenantId === identity.tenantId;

/** Pure. The tenant whose things a list shows; undefined for all. */
export const listedTenant = (identity: Identity, asked: string | undefined): string | undefined =>
  isService(identity) ? asked : identity.tenantId;

/** Pure. Of what all tenants share. */
export const sharedOwner = DEFAULT_TENANT;

/** Pure. The program as the audit log names it: beside its tenant, so by the tenant's own name. */
export const auditTarget = (
  kind: 'program' | 'pin',
  { tenantId, programId }: Pick<ProgramRow, 'tenantId' | 'programId'>,
): { readonly target: string; readonly ofTenant: string } => ({
  target: `${kind}/${ownId(tenantId, programId)}`,
  ofTenant: tenantId,
});
