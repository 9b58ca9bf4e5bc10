import { prefillSeconds, rebuildSeconds } from '../../model/engine.js';
import { micros, seconds, toSeconds, type Duration } from '../../model/units.js';
import type { BinForecast } from '../../prediction/bin-forecast.js';
import type { DurationKey } from '../../prediction/duration-predictor.js';
import { ToolDurations } from '../../prediction/tool-durations.js';
import type { EngineFacts, ProgramFacts } from '../facts.js';
import type { RetentionChoice, RetentionPolicy, RetentionView } from './retention-policy.js';

export interface ElasticParameters {
  /**
   * Price of memory when running turns hold all of it, in seconds of computing saved per second and share of the pool: how
   * much computing is worth giving up for memory.
   */
  readonly theta: number;
  /** Between two looks at a context whose tool still runs. */
  readonly reconsiderEvery: Duration;
  /** Lifetime of a pin without a word from here: what a lost control plane costs an engine at most. */
  readonly ttl: Duration;
  /** `counted`: a context that host memory may bring back is worth less (docs/policies.md: what that does). */
  readonly host: 'ignored' | 'counted';
}

/** Anything from 0.1 to 0.4 does about the same (docs/policy.md). */
export const ELASTIC_DEFAULTS: ElasticParameters = {
  theta: 0.25,
  reconsiderEvery: seconds(1),
  ttl: seconds(600),
  host: 'ignored',
};

/** What a turn whose KV is resident bids more than one that must rebuild: nobody is evicted to let somebody rebuild. */
const RESIDENT_FACTOR = 10;
/** However little runs, memory is not priced above theta / this. */
const LEAST_RUNNING_SHARE = 0.1;
/** Horizons below this are not considered, seconds: the first bins are noise. */
const SHORTEST_HORIZON_SECONDS = 0.2;

export interface ElasticState {
  readonly durations: ToolDurations;
}

/**
 * Every context is held, at its price: seconds of computing that holding it saves, per second and share of the pool,
 * `PR(context) * rate of return / share`. Pressure inside the engine takes the cheapest first.
 *
 * While turns wait, memory itself has a price, theta over the share that running turns hold: a rebuild costs those who
 * run, so with little running, memory is dear and computing cheap. A context that is worth less than that is let go,
 * once; while nobody waits, nothing is. As a tool runs on, its rate of return falls or rises, and the price with it.
 */
export const elasticRetention = (parameters: ElasticParameters): RetentionPolicy<ElasticState> => ({
  type: 'retention.elastic',
  holdsWhileWaiting: true,
  tickEvery: parameters.reconsiderEvery,
  initialState: () => ({ durations: new ToolDurations() }),
  observe: (state, fact) => {
    if (fact.type === 'programEnded') state.durations.forget(fact.program.programId);
    if (fact.type !== 'toolCallEnded' && fact.type !== 'toolCallRuns') return;
    const isOver = fact.type === 'toolCallEnded';
    const upTo = toSeconds(isOver ? fact.duration : fact.elapsed);
    const news = { fromSeconds: toSeconds(fact.told ?? micros(0)), toSeconds: upTo, isOver };
    state.durations.observe(durationKey(fact.program, fact.tool), news);
  },
  choose: (state, view) => choose(parameters, state, view),
  memory: {
    save: (state) => ({ durations: state.durations.save() }),
    load: (state, { durations }) => state.durations.load(durations),
  },
});

const durationKey = ({ tenantId, programClass, programId }: ProgramFacts, tool: string): DurationKey => ({
  tenantId,
  programClass,
  programId,
  tool,
});

const forecast = ({ durations }: ElasticState, { program, tool, elapsed, toolTimeout }: RetentionView): BinForecast => {
  if (tool === undefined) return durations.predictAny();
  const timeoutSeconds = toolTimeout === undefined ? Infinity : toSeconds(toolTimeout);
  return durations.predict(durationKey(program, tool), toSeconds(elapsed), timeoutSeconds);
};

/**
 * What a context costs that was overwritten. Host memory is taken to hold overwritten blocks of live programs by chance:
 * all while it is larger than what their contexts exceed the pool by, else that share.
 */
const returnSeconds = ({ host }: ElasticParameters, engine: EngineFacts, contextTokens: number): number => {
  const { totalBlocks, hostBlocks = 0, blockTokens, prefillCost } = engine.description;
  const computing = prefillSeconds(prefillCost, contextTokens);
  if (host === 'ignored' || hostBlocks === 0) return computing;
  const excessTokens = Math.max(1, engine.homeTokens - totalBlocks * blockTokens);
  const shareThere = Math.min(1, (hostBlocks * blockTokens) / excessTokens);
  return shareThere * rebuildSeconds(engine.description, contextTokens) + (1 - shareThere) * computing;
};

const choose = (parameters: ElasticParameters, state: ElasticState, view: RetentionView): RetentionChoice => {
  const { moment, engine, contextTokens, waitingTurns } = view;
  const { totalBlocks, blockTokens } = engine.description;
  const poolTokens = Math.max(1, totalBlocks * blockTokens);
  const share = Math.max(1, contextTokens) / poolTokens;
  const reloadSeconds = returnSeconds(parameters, engine, contextTokens);
  const elapsedSeconds = toSeconds(view.elapsed);
  const returnRate = forecast(state, view).returnRate(SHORTEST_HORIZON_SECONDS);
  const value = (reloadSeconds * returnRate) / share;
  const runningShare = Math.min(1, engine.activeTokens / poolTokens);
  const memoryPrice = parameters.theta / Math.max(LEAST_RUNNING_SHARE, runningShare);
  const bid = view.isPinned ? memoryPrice * RESIDENT_FACTOR : memoryPrice;
  const inputs = {
    value,
    memoryPrice,
    bid,
    returnRate,
    reloadSeconds,
    elapsedSeconds,
    contextTokens,
    runningShare,
    waitingTurns,
  };
  // At dispatch the tool is not known: the pin bridges the moment until it is.
  if (moment !== 'dispatch' && waitingTurns > 0 && value < memoryPrice) {
    return { terms: null, bid, reason: 'others wait, and the memory is worth more to them', inputs };
  }
  const terms = { ttl: parameters.ttl, soft: false, value };
  return { terms, bid, reason: 'held at its price: whoever bids more may have the memory', inputs };
};
