import type { KeyRole } from '@holdfast/persistence';

/** What ran before there were tenants belongs to this tenant. It also operates the service: see {@link isService}. */
export const DEFAULT_TENANT = 'default';

/** Least first. Agents run programs. Viewers look, operators steer, admins make keys. */
export type Role = KeyRole;

/** Who calls. */
export interface Identity {
  readonly tenantId: string;
  readonly role: Role;
  /** Null without authentication. */
  readonly keyId: string | null;
}

/** The caller when authentication is off: whoever reaches the port may do everything. */
export const EVERYBODY: Identity = { tenantId: DEFAULT_TENANT, role: 'admin', keyId: null };

const rank: Readonly<Record<Role, number>> = { agent: 0, viewer: 1, operator: 2, admin: 3 };

/** Pure. True when the role may do what `needed` may. */
export const mayActAs = ({ role }: Pick<Identity, 'role'>, needed: Role): boolean => rank[role] >= rank[needed];

/**
 * Pure. True for operators and admins of the default tenant: they see all tenants' programs and may change what all
 * share, which is engines, policies and tenants. Those of other tenants act on what is their own.
 */
export const isService = (identity: Identity): boolean =>
  identity.tenantId === DEFAULT_TENANT && mayActAs(identity, 'operator');
