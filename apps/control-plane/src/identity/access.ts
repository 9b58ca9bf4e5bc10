import type { Identity, Role } from './identity.js';
import { roleInsufficient } from './identity-errors.js';

/** What a call is for: viewers read, the other roles also run programs. */
export type Access = 'run' | 'read';

const allowed: Readonly<Record<Access, readonly Role[]>> = {
  run: ['agent', 'operator', 'admin'],
  read: ['agent', 'viewer', 'operator', 'admin'],
};

/** @throws DomainError ROLE_INSUFFICIENT when the caller's role may not. */
export const requireAccess = (identity: Identity, access: Access): void => {
  if (!allowed[access].includes(identity.role)) throw roleInsufficient(identity, allowed[access]);
};
