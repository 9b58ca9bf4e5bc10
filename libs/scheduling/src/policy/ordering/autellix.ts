import { between, seconds, toSeconds, type Instant } from '../../model/units.js';
import type { PolicyFact } from '../facts.js';
import type { ParameterReader } from '../parameters.js';
import { LEVEL_TOKENS, levelRank, LOWEST_LEVEL } from './levels.js';
import { savedNumbers } from '../../statistics/saved.js';
import type { OrderingPolicy, OrderingView } from './ordering-policy.js';

export interface AutellixParameters {
  /** Waited over served time of a program and its call, from which on the call goes to the first queue. */
  readonly beta: number;
}

/** Tokens that a call may use in each queue before it moves down one. */
const QUANTA: readonly number[] = [2_048, 1_024, 512];

export interface AutellixState {
  /** Of earlier calls of each live program, in seconds. */
  readonly byProgram: Map<string, { waitedSeconds: number; servedSeconds: number }>;
  /** Of all calls: time from first to last token, and the tokens made in it. */
  readonly decode: { seconds: number; tokens: number };
}

/** Reads the parameter `beta`. */
export const readAutellix = (parameters: ParameterReader): OrderingPolicy<AutellixState> =>
  autellixOrdering({ beta: parameters.number('beta', 2, { minimum: 0, maximum: 1_000_000 }) });

/**
 * Autellix (arXiv 2502.13965), PLAS: the less service a program has had, the sooner its next call runs. Four queues over
 * the attained service of the program, first come first served inside; a call moves down one queue when it has used
 * that queue's quantum, and up to the first when (W_program + W_call) / (T_program + T_call) >= beta.
 *
 * Choices. The paper prints no queue bounds: those of arXiv 2604.26963's port, in computed tokens (2,048, 8,192,
 * 32,768; quanta 2,048, 1,024, 512), on the bound belongs to the lower queue. Wait and service of the beta rule are
 * seconds, as in the paper: wait is the time to first token less the prefill, service the rest. Looked at each second.
 * What a running call has used is not visible outside the engine: its new prompt tokens count from its first token on,
 * and its output by the mean speed so far. A call that runs is not promoted, and preempted only where the engine must
 * preempt anyway, by rank. Threads of one program are one program; placement is the pool's, not by call length.
 */
export const autellixOrdering = (parameters: AutellixParameters): OrderingPolicy<AutellixState> => ({
  type: 'ordering.autellix',
  tickEvery: seconds(1),
  initialState: () => ({ byProgram: new Map(), decode: { seconds: 0, tokens: 0 } }),
  observe: (state, fact, now) => learn(state, fact, now),
  rank: (state, view) => levelRank(queueOf(parameters, state, view), view.turn.submittedAt),
  memory: {
    save: ({ decode }) => ({ decode: { ...decode } }),
    load: (state, { decode }) => {
      const known = savedNumbers(decode, ['seconds', 'tokens']);
      if (known !== undefined) Object.assign(state.decode, { seconds: known.seconds, tokens: known.tokens });
    },
  },
});

/** Modifies `state`. */
const learn = (state: AutellixState, fact: PolicyFact, now: Instant): void => {
  if (fact.type === 'programEnded') state.byProgram.delete(fact.program.programId);
  if (fact.type !== 'turnRan') return;
  const { turn, program, queueDelay, outputTokens } = fact;
  const known = state.byProgram.get(program.programId) ?? { waitedSeconds: 0, servedSeconds: 0 };
  known.waitedSeconds += toSeconds(queueDelay);
  known.servedSeconds += Math.max(0, toSeconds(between(turn.submittedAt, now)) - toSeconds(queueDelay));
  state.byProgram.set(program.programId, known);
  if (turn.startedAt === null) return;
  state.decode.seconds += toSeconds(between(turn.startedAt, now));
  state.decode.tokens += outputTokens;
};

/** Pure. 0 for the first queue. */
const queueOf = (parameters: AutellixParameters, state: AutellixState, view: OrderingView): number => {
  const { program, turn, now } = view;
  const { waitedSeconds, servedSeconds } = state.byProgram.get(program.programId) ?? NOTHING_YET;
  const waited = waitedSeconds + toSeconds(between(turn.submittedAt, turn.startedAt ?? now));
  const isStarved = waited >= parameters.beta * servedSeconds;
  const entered = isStarved ? 0 : LEVEL_TOKENS.filter((bound) => program.attainedTokens >= bound).length;
  return turn.startedAt === null ? entered : afterQuanta(entered, usedTokens(state, view, turn.startedAt));
};

const NOTHING_YET = { waitedSeconds: 0, servedSeconds: 0 };

/** Pure. What a running call has used, as far as it shows. */
const usedTokens = ({ decode }: AutellixState, { turn, now }: OrderingView, startedAt: Instant): number => {
  const newPromptTokens = Math.max(0, turn.promptTokens - turn.sharedTokens);
  const tokensPerSecond = decode.seconds > 0 ? decode.tokens / decode.seconds : 0;
  return newPromptTokens + Math.floor(tokensPerSecond * toSeconds(between(startedAt, now)));
};

/** Pure. The queue of a call that entered in one queue and has used so many tokens since. */
const afterQuanta = (entered: number, tokens: number): number => {
  let queue = entered;
  let left = tokens;
  for (; queue < LOWEST_LEVEL; queue += 1) {
    const quantum = QUANTA[queue] ?? Infinity;
    if (left < quantum) break;
    left -= quantum;
  }
  return queue;
};
