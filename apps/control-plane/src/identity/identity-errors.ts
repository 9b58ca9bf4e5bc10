import { DomainError } from '@holdfast/platform';
import type { Duration } from '@holdfast/scheduling';
import type { Identity, Role } from './identity.js';

/** Pure. */
export const credentialsMissing = (): DomainError =>
  new DomainError({
    kind: 'unauthenticated',
    reason: 'CREDENTIALS_MISSING',
    message: 'the call carries no API key; allowed: authorization: Bearer hf_...',
  });

/** Pure. Says the same of every key that is no good. */
export const credentialsInvalid = (): DomainError =>
  new DomainError({
    kind: 'unauthenticated',
    reason: 'CREDENTIALS_INVALID',
    message: 'the API key is unknown, malformed, expired or revoked',
  });

/** Pure. */
export const roleInsufficient = ({ role }: Pick<Identity, 'role'>, allowed: readonly Role[]): DomainError =>
  new DomainError({
    kind: 'forbidden',
    reason: 'ROLE_INSUFFICIENT',
    message: `the API key's role is ${role}; allowed: ${allowed.join(', ')}`,
    metadata: { role, allowed: allowed.join(',') },
  });

/** Pure. What all tenants share is changed by the default tenant's operators and admins only. */
export const serviceOnly = ({ tenantId }: Identity): DomainError =>
  new DomainError({
    kind: 'forbidden',
    reason: 'ROLE_INSUFFICIENT',
    message: `the API key belongs to tenant ${tenantId}; allowed: keys of the tenant that operates the service`,
    metadata: { tenantId },
  });

/** Pure. `limit` names the limit, e.g. `maxLivePrograms`. */
export const quotaExceeded = (limit: string, allowed: number, retryAfter: Duration): DomainError =>
  new DomainError({
    kind: 'exhausted',
    reason: 'QUOTA_EXCEEDED',
    message: `the tenant is at its limit ${limit} of ${allowed}; try again later`,
    metadata: { limit, allowed: String(allowed) },
    retryAfter,
  });

/** Pure. */
export const rateLimited = (message: string, retryAfter: Duration): DomainError =>
  new DomainError({ kind: 'exhausted', reason: 'RATE_LIMITED', message, retryAfter });
