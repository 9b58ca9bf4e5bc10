import { prefillSeconds } from '../../model/engine.js';
import { seconds, toSeconds, type Duration } from '../../model/units.js';
import { bestReturnRate, DurationHistogram, shrunk } from '../../statistics/duration-histogram.js';
import type { EngineFacts, PolicyFact } from '../facts.js';
import type { RetentionChoice, RetentionPolicy, RetentionView } from './retention-policy.js';

export interface ElasticParameters {
  /** Price of memory: seconds saved per second and share of the pool, when running turns fill it. */
  readonly theta: number;
  /** What a turn whose KV is resident bids more than one that must rebuild. */
  readonly residentFactor: number;
  /** Weight of the parent's distribution, in samples. */
  readonly kappa: number;
  /** A context is let go when it is worth less than the price of memory by this factor: nothing flaps. */
  readonly letGo: number;
  /** Between two looks at a context whose tool still runs. */
  readonly reconsiderEvery: Duration;
  /** Lifetime of a pin without a word from here: what a lost control plane costs an engine at most. */
  readonly ttl: Duration;
}

export const ELASTIC_DEFAULTS: ElasticParameters = {
  theta: 0.7,
  residentFactor: 100,
  kappa: 10,
  letGo: 1.2,
  reconsiderEvery: seconds(1),
  ttl: seconds(600),
};

/** Horizons below this are not considered, seconds. */
const SHORTEST_HORIZON_SECONDS = 0.2;
/** However little runs, memory is not priced above theta / this. */
const LEAST_RUNNING_SHARE = 0.1;

export interface ElasticState {
  readonly all: DurationHistogram;
  readonly byTool: Map<string, DurationHistogram>;
}

export const elasticRetention = (parameters: ElasticParameters): RetentionPolicy<ElasticState> => ({
  type: 'retention.elastic',
  holdsWhileWaiting: true,
  tickEvery: parameters.reconsiderEvery,
  initialState: () => ({ all: prior(), byTool: new Map() }),
  observe: (state, fact) => learn(state, fact),
  choose: (state, view) => price(parameters, state, view),
});

/** A broad guess that a few dozen calls outweigh: half of all tools return within a second, one in a hundred takes 100 s. */
const prior = (): DurationHistogram => {
  const histogram = new DurationHistogram();
  for (const duration of [0.02, 0.1, 0.3, 0.6, 1, 2, 4, 10, 30, 100]) histogram.add(duration, 0.1);
  return histogram;
};

const learn = (state: ElasticState, fact: PolicyFact): void => {
  if (fact.type !== 'toolCallEnded') return;
  const duration = toSeconds(fact.duration);
  let histogram = state.byTool.get(fact.tool);
  if (histogram === undefined) {
    histogram = new DurationHistogram();
    state.byTool.set(fact.tool, histogram);
  }
  histogram.add(duration);
  state.all.add(duration);
};

const capacityTokens = ({ description }: EngineFacts): number =>
  Math.max(1, description.totalBlocks * description.blockTokens);

const price = (parameters: ElasticParameters, state: ElasticState, view: RetentionView): RetentionChoice => {
  const { engine, contextTokens } = view;
  const share = Math.max(1e-6, contextTokens / capacityTokens(engine));
  const reloadSeconds = prefillSeconds(engine.description.prefillCost, contextTokens);
  const global = shrunk(state.all, state.all.weights, 0);
  const ofTool = view.tool === undefined ? global : shrunk(state.byTool.get(view.tool), global, parameters.kappa);
  const elapsedSeconds = toSeconds(view.elapsed);
  const returnRate = bestReturnRate(ofTool, elapsedSeconds, SHORTEST_HORIZON_SECONDS);
  const value = (reloadSeconds * returnRate) / share;
  const runningShare = Math.min(1, engine.activeTokens / capacityTokens(engine));
  const memoryPrice = parameters.theta / Math.max(LEAST_RUNNING_SHARE, runningShare);
  const bid = view.isPinned ? memoryPrice * parameters.residentFactor : memoryPrice;
  const inputs = { value, bid, memoryPrice, runningShare, returnRate, reloadSeconds, elapsedSeconds, contextTokens };
  const { waitingTurns } = view;
  if (view.moment !== 'dispatch' && waitingTurns > 0 && value * parameters.letGo < memoryPrice) {
    return { terms: null, bid, reason: 'others wait, and its memory is worth more to them', inputs };
  }
  return {
    terms: { ttl: parameters.ttl, soft: false, value },
    bid,
    reason: 'held at its price: whoever bids more may have the memory',
    inputs,
  };
};
