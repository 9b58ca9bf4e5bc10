import { rebuildSeconds } from '../../model/engine.js';
import { millis, seconds, toSeconds, type Duration } from '../../model/units.js';
import type { PolicyFact } from '../facts.js';
import type { ParameterReader } from '../parameters.js';
import { RecentDurations } from '../../statistics/recent-durations.js';
import { savedAmounts, savedEntries, savedNumbers, type SavedParts } from '../../statistics/saved.js';
import {
  OUTBIDS_EVERY_PIN,
  SHORTEST_PIN_SECONDS,
  unyieldingValue,
  type RetentionChoice,
  type RetentionPolicy,
  type RetentionView,
} from './retention-policy.js';

export interface ContinuumParameters {
  /** K: with at most this many samples a distribution is not used (v6, cold start). */
  readonly coldSamples: number;
  /** TTL while even the pooled distribution is cold. `fixed`: 2 s; `ln-b`: ln(T*eta + PR), the optimum under Exp(1). */
  readonly coldStart: 'fixed' | 'ln-b';
  /** TTL of the pin that rides on the request, until the tool is known. */
  readonly handoff: Duration;
  /** Durations kept for each tool, and for all tools together. */
  readonly window: number;
  /**
   * When pins give way to a turn that does not fit. `stall`: when nothing runs (Algorithm 1, and the authors' code);
   * `prose`: always (section 5.2). Latest program arrival first in both.
   */
  readonly guard: 'stall' | 'prose';
  /** Whose queueing delay T is: turns that had been evicted (section 4.2), or all turns that queued. */
  readonly t: 'evicted' | 'all';
}

export const CONTINUUM_DEFAULTS: ContinuumParameters = {
  coldSamples: 100,
  coldStart: 'fixed',
  handoff: seconds(2),
  window: 1_000,
  guard: 'stall',
  t: 'evicted',
};

/** Reads the parameters `coldSamples`, `coldStart`, `guard`, `handoff`, `t` and `window`. */
export const readContinuum = (parameters: ParameterReader): RetentionPolicy<ContinuumState> =>
  continuumRetention({
    coldSamples: parameters.integer('coldSamples', CONTINUUM_DEFAULTS.coldSamples, { minimum: 0, maximum: 100_000 }),
    coldStart: parameters.choice('coldStart', CONTINUUM_DEFAULTS.coldStart, ['fixed', 'ln-b']),
    handoff: parameters.duration('handoff', CONTINUUM_DEFAULTS.handoff, millis(1)),
    window: parameters.integer('window', CONTINUUM_DEFAULTS.window, { minimum: 10, maximum: 100_000 }),
    guard: parameters.choice('guard', CONTINUUM_DEFAULTS.guard, ['stall', 'prose']),
    t: parameters.choice('t', CONTINUUM_DEFAULTS.t, ['evicted', 'all']),
  });

/** Constant of the authors' code, and of the `continuum_dy` port while it is cold. */
const COLD_TTL_SECONDS = 2;
/** Window of T, in samples (`continuum_dy`). */
const QUEUE_DELAY_WINDOW = 200;

export interface ContinuumState {
  all: RecentDurations;
  readonly byTool: Map<string, RecentDurations>;
  /** Queueing delays that T is the mean of, seconds, newest last. */
  readonly queueDelays: number[];
  /** Running sums of (k, N-k) over the turns of completed programs, for Pearson's correlation. */
  readonly pairs: { n: number; x: number; y: number; xx: number; yy: number; xy: number };
}

/**
 * Continuum (arXiv 2511.02230 v6), section 4: the TTL that maximises
 *
 *     P(tau, f) * (T * eta + PR(r)) - tau                                             (equation 2)
 *
 * over tau = 0 and all recorded durations, with P the empirical CDF of tool f, T the mean queueing delay of turns
 * that had been evicted, eta = -Corr(k, N - k) over completed programs and PR(r) the prefill time of the context.
 * Cold start: with at most K samples of f the CDF of all tools is used; with at most K of all, a constant.
 * Choices where the paper is silent are those of `continuum_dy` (arXiv 2604.26963's tree): T over the last 200
 * samples, eta = 1 before two pairs or without variance, strict improvement, no pin at or below 10 ms. A turn counts
 * as evicted when it returns to find most of its KV gone. With `t=all` T is the mean over all turns, the other reading
 * of the paper's "queueing delay for previous requests".
 */
export const continuumRetention = (parameters: ContinuumParameters): RetentionPolicy<ContinuumState> => ({
  type: 'retention.continuum',
  holdsWhileWaiting: true,
  initialState: () => ({
    all: new RecentDurations(parameters.window),
    byTool: new Map(),
    queueDelays: [],
    pairs: { n: 0, x: 0, y: 0, xx: 0, yy: 0, xy: 0 },
  }),
  observe: (state, fact) => learn(parameters, state, fact),
  choose: (state, view) =>
    view.moment === 'dispatch' ? handOff(parameters, view) : chooseTtl(parameters, state, view),
  memory: { save, load: (state, parts) => load(parameters, state, parts) },
});

/** Pure. */
const save = ({ all, byTool, queueDelays, pairs }: ContinuumState): SavedParts => ({
  durations: { all: all.save(), byTool: [...byTool].map(([tool, samples]) => [tool, samples.save()]) },
  queueDelays: [...queueDelays],
  pairs: { ...pairs },
});

/** Modifies `state`. */
const load = ({ window }: ContinuumParameters, state: ContinuumState, parts: Partial<SavedParts>): void => {
  const { all, byTool } = (parts['durations'] ?? {}) as { readonly all?: unknown; readonly byTool?: unknown };
  const samples = RecentDurations.load(all, window);
  const ofTools = savedEntries(byTool, (saved) => RecentDurations.load(saved, window));
  if (samples !== undefined && ofTools !== undefined) {
    state.all = samples;
    state.byTool.clear();
    for (const [tool, own] of ofTools) state.byTool.set(tool, own);
  }
  const queueDelays = savedAmounts(parts['queueDelays']);
  if (queueDelays !== undefined) {
    state.queueDelays.splice(0, Infinity, ...queueDelays.slice(-QUEUE_DELAY_WINDOW));
  }
  const pairs = savedNumbers(parts['pairs'], ['n', 'x', 'y', 'xx', 'yy', 'xy']);
  if (pairs !== undefined) Object.assign(state.pairs, pairs);
};

/** Modifies `state`. */
const learn = (parameters: ContinuumParameters, state: ContinuumState, fact: PolicyFact): void => {
  if (fact.type === 'toolCallEnded') {
    const duration = toSeconds(fact.duration);
    let samples = state.byTool.get(fact.tool);
    if (samples === undefined) {
      samples = new RecentDurations(parameters.window);
      state.byTool.set(fact.tool, samples);
    }
    samples.add(duration);
    state.all.add(duration);
  }
  if (fact.type === 'turnRan' && (fact.wasEvicted || parameters.t === 'all')) {
    state.queueDelays.push(toSeconds(fact.queueDelay));
    if (state.queueDelays.length > QUEUE_DELAY_WINDOW) state.queueDelays.shift();
  }
  if (fact.type === 'programEnded' && fact.completed) {
    const turns = fact.program.turnsFinished;
    for (let k = 0; k < turns; k += 1) addPair(state.pairs, k, turns - k);
  }
};

const addPair = (pairs: ContinuumState['pairs'], x: number, y: number): void => {
  pairs.n += 1;
  pairs.x += x;
  pairs.y += y;
  pairs.xx += x * x;
  pairs.yy += y * y;
  pairs.xy += x * y;
};

/** Pure. eta = -Corr(k, N - k), clamped to [-1, 1]; 1 before there is data. */
export const memoryfulness = ({ n, x, y, xx, yy, xy }: ContinuumState['pairs']): number => {
  if (n < 2) return 1;
  const spread = (n * xx - x * x) * (n * yy - y * y);
  if (spread <= 0) return 1;
  return -Math.max(-1, Math.min(1, (n * xy - x * y) / Math.sqrt(spread)));
};

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

const handOff = (parameters: ContinuumParameters, view: RetentionView): RetentionChoice => ({
  terms: { ttl: parameters.handoff, soft: false, value: unyieldingValue(view.program.arrivedAt) },
  ...(parameters.guard === 'prose' ? { bid: OUTBIDS_EVERY_PIN } : {}),
  reason: 'held until the tool is known',
  inputs: { ttlSeconds: toSeconds(parameters.handoff), contextTokens: view.contextTokens },
});

const chooseTtl = (parameters: ContinuumParameters, state: ContinuumState, view: RetentionView): RetentionChoice => {
  const reloadSeconds = rebuildSeconds(view.engine.description, view.contextTokens);
  const queueDelaySeconds = mean(state.queueDelays);
  const eta = memoryfulness(state.pairs);
  const benefitSeconds = queueDelaySeconds * eta + reloadSeconds;
  const ofTool = state.byTool.get(view.tool ?? '');
  const isToolWarm = ofTool !== undefined && ofTool.size > parameters.coldSamples;
  const samples = isToolWarm ? ofTool : state.all;
  const isCold = samples.size <= parameters.coldSamples;
  const { ttlSeconds, hitProbability } = isCold
    ? { ttlSeconds: coldTtl(parameters, benefitSeconds), hitProbability: null }
    : bestTtl(samples.ascending(), benefitSeconds);
  const inputs = {
    tool: view.tool ?? '',
    samples: samples.size,
    distribution: isCold ? 'none' : isToolWarm ? 'tool' : 'all tools',
    reloadSeconds,
    queueDelaySeconds,
    eta,
    benefitSeconds,
    hitProbability,
    ttlSeconds,
    contextTokens: view.contextTokens,
  };
  if (ttlSeconds <= SHORTEST_PIN_SECONDS) {
    return { terms: null, reason: 'no TTL is worth its memory', inputs };
  }
  const terms = { ttl: seconds(ttlSeconds), soft: false, value: unyieldingValue(view.program.arrivedAt) };
  return { terms, reason: isCold ? 'too few durations known: constant TTL' : 'TTL of highest net benefit', inputs };
};

const coldTtl = (parameters: ContinuumParameters, benefitSeconds: number): number => {
  if (parameters.coldStart === 'fixed') return COLD_TTL_SECONDS;
  return benefitSeconds > 1 ? Math.log(benefitSeconds) : 0;
};

/**
 * Pure. argmax over tau in {0} and the samples of P(tau) * benefit - tau; ties keep the smaller tau.
 *
 * @param ascending - durations in seconds, ascending, at least one.
 * @param benefitSeconds - seconds saved when the KV is still there.
 */
export const bestTtl = (
  ascending: Float64Array,
  benefitSeconds: number,
): { readonly ttlSeconds: number; readonly hitProbability: number } => {
  let best = { ttlSeconds: 0, hitProbability: 0 };
  let bestReward = 0;
  for (let index = 0; index < ascending.length; index += 1) {
    const tau = ascending[index] ?? 0;
    if (tau === ascending[index + 1]) continue;
    const hitProbability = (index + 1) / ascending.length;
    const reward = hitProbability * benefitSeconds - tau;
    if (reward > bestReward) {
      bestReward = reward;
      best = { ttlSeconds: tau, hitProbability };
    }
  }
  return best;
};
