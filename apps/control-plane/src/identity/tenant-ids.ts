/**
 * Ids of programs, by tenant. Inside the service an id of another tenant than the default one is written `tenant~id`, so
 * tenants may choose the same ids, and no caller can name what is another tenant's: to it, that id does not exist.
 */
import { invalidFields } from '@holdfast/platform';
import { DEFAULT_TENANT, isService, type Identity } from './identity.js';

/** Occurs in no id that a caller may choose, and needs no escape in a URL. */
const SEPARATOR = '~';

/** Pure. The service's id of what `tenantId` calls `id`; `field` is where it was given. */
export const scopedId = (tenantId: string, id: string, field = 'program_id'): string => {
  if (id.includes(SEPARATOR)) {
    const description = `is ${JSON.stringify(id)}; allowed: 1 to 128 characters of A-Z a-z 0-9 . _ : -`;
    throw invalidFields([{ field, description }]);
  }
  return tenantId === DEFAULT_TENANT || id === '' ? id : `${tenantId}${SEPARATOR}${id}`;
};

/** Pure. What the tenant itself calls an id of the service. */
export const ownId = (tenantId: string, scoped: string): string =>
  tenantId !== DEFAULT_TENANT && scoped.startsWith(`${tenantId}${SEPARATOR}`)
    ? scoped.slice(tenantId.length + SEPARATOR.length)
    : scoped;

/** Pure. The service's id of what a caller of REST named. Who operates the service names any tenant's: `tenant~id`. */
export const namedId = (identity: Identity, id: string): string =>
  isService(identity) ? id : scopedId(identity.tenantId, id);
