import { DomainError, invalidFields } from '@holdfast/platform';
import { parsePolicy, PolicySpecError } from '@holdfast/scheduling';

/** @throws DomainError POLICY_INVALID that names the policy's part, its value and what is allowed. */
export const requirePolicy = (policy: string): void => {
  try {
    parsePolicy(policy);
  } catch (error) {
    if (!(error instanceof PolicySpecError)) throw error;
    throw invalidFields([{ field: 'policy', description: error.message }], 'POLICY_INVALID');
  }
};

/** Pure. */
export const policyNotFound = (version: number): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'POLICY_NOT_FOUND',
    message: `the pool has no policy document of version ${version}`,
    metadata: { version: String(version) },
  });

/** Pure. */
export const dryRunNotFound = (jobId: string): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'JOB_NOT_FOUND',
    message: `there is no dry run ${jobId}`,
    metadata: { jobId },
  });

/** Pure. */
export const nothingToUndo = (): DomainError =>
  new DomainError({
    kind: 'precondition',
    reason: 'POLICY_NOT_FOUND',
    message: 'the pool was never scheduled by another policy document, so there is none to go back to',
  });

/** Pure. */
export const activationMoved = (expected: number, current: number): DomainError =>
  new DomainError({
    kind: 'conflict',
    reason: 'VERSION_CONFLICT',
    message: `activation ${expected} is not the last one any more; the last is ${current}: look again, then decide`,
    metadata: { expected: String(expected), current: String(current) },
  });
