import { seconds, toSeconds } from '../../model/units.js';
import { savedEntries, savedNumbers } from '../../statistics/saved.js';
import type { EngineFacts, PolicyFact } from '../facts.js';
import {
  SHORTEST_PIN_SECONDS,
  unyieldingValue,
  type RetentionChoice,
  type RetentionPolicy,
  type RetentionView,
} from './retention-policy.js';

/** Longest TTL, and the one of a tool class that nothing is known of. */
const LONGEST_TTL_SECONDS = 300;
/** Standard normal quantile of 95 %. */
const Z95 = 1.6449;
/** Weight of a new observation. */
const EMA_WEIGHT = 0.1;
/** Share of memory in use where TTLs begin to shrink, and where they have shrunk by half. */
const PRESSURE_FROM = 0.7;
const PRESSURE_TO = 0.9;

/** A lognormal distribution of milliseconds. */
export interface LogNormal {
  mu: number;
  variance: number;
}

export interface SagaState {
  readonly byTool: Map<string, LogNormal>;
}

/** Published medians and 95th percentiles of four tool classes, milliseconds. */
const PUBLISHED_CLASSES: readonly (readonly [string, { readonly p50: number; readonly p95: number }])[] = [
  ['code', { p50: 180, p95: 2_400 }],
  ['file', { p50: 45, p95: 320 }],
  ['web', { p50: 850, p95: 4_500 }],
  ['database', { p50: 120, p95: 890 }],
];

/**
 * SAGA (arXiv 2605.00528), the TTL part: the 95th percentile of the tool's duration, a lognormal fitted by moving
 * averages, halved as memory fills,
 *
 *     TTL = min( exp(mu + 1.6449 sigma) * (1 - 0.5 m), 300 s ),   m = clip((used - 0.7) / 0.2, 0, 1)
 *     mu <- 0.9 mu + 0.1 ln x ;  var <- 0.9 var + 0.1 (ln x - mu)^2        (x in ms, at least 1; first: mu = ln x, var = 1)
 *
 * and 300 s for a class that is unknown.
 *
 * Choices. A tool's class is its name; the four published classes start from their published quantiles, gaps without a
 * named tool are a class of their own. `used` is the share of the engine's blocks that are active or pinned by its last
 * report; of an engine without a report it is the share that contexts of live programs lay claim to. The TTL counts
 * from the moment the tool begins; the pin that rides on the request is that of an unnamed tool. Not here: eviction by
 * workflow (the engine's LRU decides among what is not pinned), work stealing and fair shares, which are no retention
 * rules.
 */
export const sagaRetention: RetentionPolicy<SagaState> = {
  type: 'retention.saga',
  holdsWhileWaiting: true,
  initialState: () => ({
    byTool: new Map(PUBLISHED_CLASSES.map(([name, { p50, p95 }]) => [name, fromQuantiles(p50, p95)])),
  }),
  observe: (state, fact) => learn(state, fact),
  choose: (state, view) => chooseTtl(state, view),
  memory: {
    save: ({ byTool }) => ({ durations: [...byTool].map(([tool, fit]) => [tool, { ...fit }]) }),
    load: ({ byTool }, { durations }) => {
      const known = savedEntries(durations, (saved) => savedNumbers(saved, ['mu', 'variance']));
      if (known === undefined) return;
      byTool.clear();
      for (const [tool, { mu, variance }] of known) byTool.set(tool, { mu, variance });
    },
  },
};

const fromQuantiles = (p50: number, p95: number): LogNormal => ({
  mu: Math.log(p50),
  variance: (Math.log(p95 / p50) / Z95) ** 2,
});

/** Modifies `state`. */
const learn = (state: SagaState, fact: PolicyFact): void => {
  if (fact.type !== 'toolCallEnded') return;
  const x = Math.log(Math.max(1, toSeconds(fact.duration) * 1_000));
  const known = state.byTool.get(fact.tool);
  if (known === undefined) {
    state.byTool.set(fact.tool, { mu: x, variance: 1 });
    return;
  }
  known.mu += EMA_WEIGHT * (x - known.mu);
  known.variance += EMA_WEIGHT * ((x - known.mu) ** 2 - known.variance);
};

/** Pure. The 95th percentile, in seconds. */
export const p95Seconds = ({ mu, variance }: LogNormal): number => Math.exp(mu + Z95 * Math.sqrt(variance)) / 1_000;

/** Pure. m: 0 below 70 % of memory in use, 1 from 90 % on. */
export const memoryPressure = (engine: EngineFacts): number =>
  Math.max(0, Math.min(1, (usedShare(engine) - PRESSURE_FROM) / (PRESSURE_TO - PRESSURE_FROM)));

const usedShare = ({ description, load, homeTokens }: EngineFacts): number => {
  if (description.totalBlocks === 0) return 0;
  if (load !== null) return (load.activeBlocks + load.pinnedBlocks) / description.totalBlocks;
  return homeTokens / (description.totalBlocks * description.blockTokens);
};

const chooseTtl = (state: SagaState, view: RetentionView): RetentionChoice => {
  const known = state.byTool.get(view.tool ?? '');
  const pressure = memoryPressure(view.engine);
  const p95 = known === undefined ? null : p95Seconds(known);
  const ttlSeconds = Math.min(p95 === null ? LONGEST_TTL_SECONDS : p95 * (1 - 0.5 * pressure), LONGEST_TTL_SECONDS);
  const inputs = {
    tool: view.tool ?? '',
    p95Seconds: p95,
    memoryPressure: pressure,
    ttlSeconds,
    contextTokens: view.contextTokens,
  };
  if (ttlSeconds <= SHORTEST_PIN_SECONDS) return { terms: null, reason: 'the tool returns at once', inputs };
  return {
    terms: { ttl: seconds(ttlSeconds), soft: false, value: unyieldingValue(view.program.arrivedAt) },
    reason: p95 === null ? 'nothing is known of the tool: longest TTL' : 'the tool returns within this with 95 %',
    inputs,
  };
};
