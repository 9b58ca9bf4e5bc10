import { DomainError } from '@holdfast/platform';
import type { RestContext } from './rest-context.js';

/** @throws DomainError POOL_NOT_FOUND when this service has no such pool. */
export const requirePool = ({ services }: Pick<RestContext, 'services'>, asked: string): void => {
  if (asked === services.poolId) return;
  throw new DomainError({ kind: 'notFound', reason: 'POOL_NOT_FOUND', message: `there is no pool ${asked}` });
};
