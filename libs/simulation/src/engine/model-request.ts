import type { PinTerms } from '@holdfast/scheduling';
import { validatePinTerms } from './model-pin.js';

/** One request to the engine model. */
export interface ModelRequest {
  /** Unique among the requests that are waiting or running. */
  readonly requestId: string;
  /** Prompt token ids, at least one. Not copied back, not modified. */
  readonly promptIds: Uint32Array;
  /** True output length, at least 1: the model stops there. */
  readonly outputTokens: number;
  /** Token produced at an index from 0. Must be pure: a preempted request may be asked again. */
  readonly outputIdAt: (index: number) => number;
  /** Order wanted, smaller first. Ties go to the earlier arrival. */
  readonly rank: number;
  /** Hard pins of a value below this may be taken for this request. */
  readonly bid: number;
  /** The program whose pin this request takes over, and under which its own pin is set. */
  readonly programId?: string;
  /** Pin to set when the request finishes. */
  readonly pin?: PinTerms;
  /** No request of the program follows: leaves no pin and forgets the program. */
  readonly isLast?: boolean;
}

/** Pure. Throws a RangeError that names the field, its value and what is allowed. */
export const validateModelRequest = (request: ModelRequest): void => {
  if (request.promptIds.length === 0) {
    throw new RangeError(`promptIds of ${request.requestId} has 0 tokens; allowed is 1 or more`);
  }
  if (!Number.isInteger(request.outputTokens) || request.outputTokens < 1) {
    throw new RangeError(
      `outputTokens of ${request.requestId} is ${request.outputTokens}; allowed is an integer from 1`,
    );
  }
  if (request.pin !== undefined) {
    validatePinTerms(request.pin);
    if (request.programId === undefined) {
      throw new RangeError(`programId of ${request.requestId} is missing; a request that asks for a pin needs one`);
    }
  }
  if (Number.isNaN(request.rank)) throw new RangeError(`rank of ${request.requestId} is NaN; allowed is any number`);
  if (Number.isNaN(request.bid)) throw new RangeError(`bid of ${request.requestId} is NaN; allowed is any number`);
};
