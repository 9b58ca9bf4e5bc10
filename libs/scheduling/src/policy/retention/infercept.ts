import { prefillSeconds } from '../../model/engine.js';
import { millis, seconds, toSeconds, type Duration } from '../../model/units.js';
import type { EngineFacts } from '../facts.js';
import type { ParameterReader } from '../parameters.js';
import {
  SHORTEST_PIN_SECONDS,
  unyieldingValue,
  type RetentionChoice,
  type RetentionPolicy,
  type RetentionView,
} from './retention-policy.js';

export interface InferceptParameters {
  /**
   * `waste`: InferCept's rule, decided again at each tick. `ttl`: its port into the tree of arXiv 2604.26963, one TTL
   * when the tool begins.
   */
  readonly form: 'waste' | 'ttl';
  /** S: query tokens of one step beyond which a step takes longer; a recomputation is cut into chunks that fit below. */
  readonly saturationTokens: number;
  /** How often the choice is made again. */
  readonly tick: Duration;
  /** Of the `ttl` form: TTL of the pin that rides on the request, until the tool is known. */
  readonly handoff: Duration;
}

export const INFERCEPT_DEFAULTS: InferceptParameters = {
  form: 'waste',
  saturationTokens: 384,
  tick: seconds(1),
  handoff: seconds(2),
};

/** Reads the parameters `form`, `saturation`, `tick` and `handoff`. */
export const readInfercept = (parameters: ParameterReader): RetentionPolicy<null> =>
  inferceptRetention({
    form: parameters.choice('form', INFERCEPT_DEFAULTS.form, ['waste', 'ttl']),
    saturationTokens: parameters.integer('saturation', INFERCEPT_DEFAULTS.saturationTokens, {
      minimum: 1,
      maximum: 1_000_000,
    }),
    tick: parameters.duration('tick', INFERCEPT_DEFAULTS.tick, millis(10)),
    handoff: parameters.duration('handoff', INFERCEPT_DEFAULTS.handoff, millis(1)),
  });

/**
 * InferCept (arXiv 2402.01869), section 4, without a second memory tier: while a tool runs, its context of C tokens is
 * preserved or discarded, whichever wastes less token-seconds,
 *
 *     WastePreserve = T_INT * C
 *     WasteChunkD   = T_fwd(C) * C / 2 + n * T_fwd(C / n) * C_other
 *
 * with T_fwd the prefill time, C_other the context that runs beside it, n = C / (S - running requests) chunks, and
 * T_INT the time that the tool has taken so far: the paper's own estimate of what it will still take (93 % of the
 * oracle). KV bytes per token cancel.
 *
 * Choices. Preserving stops paying when T_INT reaches WasteChunkD / C, so that, less the elapsed time, is the pin's
 * TTL: the decision at a tick only moves that moment with the load. The paper decides at every iteration, this one at
 * every tick. A context once discarded stays so. C_other is the prompt tokens of the turns at the engine. S is the
 * constant of the authors' code. The swap budget is zero. Preserved contexts yield to running turns and at total stall
 * only, the youngest program's first.
 *
 * The `ttl` form pins for T_fwd(C) * (C + C_other) / (2 * C) once, if a tool is named.
 */
export const inferceptRetention = (parameters: InferceptParameters): RetentionPolicy<null> => ({
  type: 'retention.infercept',
  holdsWhileWaiting: true,
  ...(parameters.form === 'waste' ? { tickEvery: parameters.tick } : {}),
  initialState: () => null,
  observe: () => undefined,
  choose: (_state, view) => (parameters.form === 'waste' ? byWaste(parameters, view) : byTtl(parameters, view)),
});

/** Pure. Context tokens that run beside this one; at dispatch its own turn is among those of the engine. */
const otherTokens = (view: RetentionView): number =>
  Math.max(0, view.engine.activeTokens - (view.moment === 'dispatch' ? view.contextTokens : 0));

/**
 * Pure. Token-seconds lost when a context is discarded and later computed again in chunks.
 *
 * @param contextTokens - C, above 0.
 */
export const discardWaste = (
  engine: EngineFacts,
  context: { readonly contextTokens: number; readonly otherTokens: number; readonly saturationTokens: number },
): number => {
  const { prefillCost } = engine.description;
  const chunkTokens = Math.max(1, context.saturationTokens - (engine.load?.runningRequests ?? 0));
  const chunks = Math.ceil(context.contextTokens / chunkTokens);
  const own = (prefillSeconds(prefillCost, context.contextTokens) * context.contextTokens) / 2;
  return own + chunks * prefillSeconds(prefillCost, context.contextTokens / chunks) * context.otherTokens;
};

const byWaste = (parameters: InferceptParameters, view: RetentionView): RetentionChoice => {
  const { contextTokens } = view;
  const other = otherTokens(view);
  const elapsedSeconds = toSeconds(view.elapsed);
  const wasteDiscard =
    contextTokens <= 0
      ? 0
      : discardWaste(view.engine, { contextTokens, otherTokens: other, saturationTokens: parameters.saturationTokens });
  const ttlSeconds = contextTokens <= 0 ? 0 : wasteDiscard / contextTokens - elapsedSeconds;
  const inputs = {
    tool: view.tool ?? '',
    elapsedSeconds,
    wastePreserveTokenSeconds: elapsedSeconds * contextTokens,
    wasteDiscardTokenSeconds: wasteDiscard,
    otherTokens: other,
    ttlSeconds,
    contextTokens,
  };
  return ttlSeconds <= SHORTEST_PIN_SECONDS
    ? { terms: null, reason: 'discarding wastes less than preserving', inputs }
    : { terms: hardPin(view, seconds(ttlSeconds)), reason: 'preserving wastes less than discarding so far', inputs };
};

const byTtl = (parameters: InferceptParameters, view: RetentionView): RetentionChoice => {
  const { contextTokens } = view;
  if (view.moment === 'dispatch') {
    const inputs = { ttlSeconds: toSeconds(parameters.handoff), contextTokens };
    return { terms: hardPin(view, parameters.handoff), reason: 'held until the tool is known', inputs };
  }
  const other = otherTokens(view);
  const reloadSeconds = prefillSeconds(view.engine.description.prefillCost, contextTokens);
  const ttlSeconds = contextTokens <= 0 ? 0 : (reloadSeconds * (contextTokens + other)) / (2 * contextTokens);
  const inputs = { tool: view.tool ?? '', reloadSeconds, otherTokens: other, ttlSeconds, contextTokens };
  if ((view.tool ?? '') === '') return { terms: null, reason: 'no tool is known', inputs };
  return ttlSeconds <= SHORTEST_PIN_SECONDS
    ? { terms: null, reason: 'no TTL is worth its memory', inputs }
    : { terms: hardPin(view, seconds(ttlSeconds)), reason: 'held while preserving wastes less', inputs };
};

const hardPin = (view: RetentionView, ttl: Duration): NonNullable<RetentionChoice['terms']> => ({
  ttl,
  soft: false,
  value: unyieldingValue(view.program.arrivedAt),
});
