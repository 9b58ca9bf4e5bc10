import { between, seconds, toSeconds } from '../../model/units.js';
import type { ParameterReader } from '../parameters.js';
import { LEVEL_TOKENS, levelRank } from './levels.js';
import { fixedOrdering, type OrderingPolicy, type OrderingView } from './ordering-policy.js';

export interface RemainingPrefillParameters {
  /** Prompt tokens that count as still to be computed: those that are new to the program, or all. */
  readonly remaining: 'new' | 'all';
}

/** A turn that waits goes up one level for each of these. */
const AGING_SECONDS = 30;

/** Reads the parameter `remaining`. */
export const readRemainingPrefill = (parameters: ParameterReader): OrderingPolicy =>
  remainingPrefillOrdering({ remaining: parameters.choice('remaining', 'new', ['new', 'all']) });

/**
 * The inner order of MARS (arXiv 2604.26963), as its preview code does it: four levels by prompt tokens still to be
 * computed (up to 2,048, 8,192, 32,768, more), up one level for every 30 s of waiting, a turn that decodes on the
 * highest, first come first served inside a level.
 *
 * Choices. What is cached shows only once a turn runs: by default (`remaining=new`) a returning turn counts what is new
 * to its program, with `remaining=all` its whole prompt, which is what the code reads before its cache look-up. The
 * quanta inside a prefill are not visible outside the engine and left out, so is the halving of a chunk that does not
 * fit. Looked at each second.
 */
export const remainingPrefillOrdering = (parameters: RemainingPrefillParameters): OrderingPolicy => ({
  ...fixedOrdering('ordering.remaining-prefill', (view) => levelRank(levelOf(parameters, view), view.turn.submittedAt)),
  tickEvery: seconds(1),
});

/** Pure. 0 for the highest level. */
const levelOf = (parameters: RemainingPrefillParameters, { turn, now }: OrderingView): number => {
  if (turn.state === 'started') return 0;
  const known = parameters.remaining === 'new' ? turn.sharedTokens : 0;
  const remainingTokens = turn.promptTokens - known;
  const level = LEVEL_TOKENS.filter((bound) => remainingTokens > bound).length;
  const waitedSeconds = Math.max(0, toSeconds(between(turn.submittedAt, now)));
  return Math.max(0, level - Math.floor(waitedSeconds / AGING_SECONDS));
};
