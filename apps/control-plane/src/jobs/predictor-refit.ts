import type { EndedToolCall, PolicyRepository, StatisticsRepository, StoredStatistics } from '@holdfast/persistence';
import {
  fitStatistics,
  instant,
  parsePolicy,
  seconds,
  type Instant,
  type RecordedToolCall,
  type StatisticsDocument,
} from '@holdfast/scheduling';
import { isForgotten, recordedTool } from '../statistics/recorded-tools.js';

/** Older calls say little of what tools are like now. */
const WINDOW = seconds(7 * 86_400);
/** The newest ones; a policy forgets the older ones anyway. */
const MAX_CALLS = 50_000;

/** What is learned from and where it is kept. */
export interface RefitSources {
  readonly statistics: StatisticsRepository;
  readonly policies: PolicyRepository;
}

/** New statistics of a pool, to be put in the place of `version`. */
export interface Refit {
  readonly poolId: string;
  readonly version: number;
  readonly calls: number;
  readonly document: StatisticsDocument;
}

/** What the active policy of each pool learns of the tool calls that are recorded; pools without any are left out. */
export const refitPools = async (
  { statistics, policies }: RefitSources,
  { now, signal }: { readonly now: Instant; readonly signal: AbortSignal },
): Promise<readonly Refit[]> => {
  const refits: Refit[] = [];
  for (const poolId of await statistics.poolIds()) {
    signal.throwIfAborted();
    const stored = await statistics.get(poolId);
    const activation = await policies.lastActivation(poolId);
    const active = activation === undefined ? undefined : await policies.document(poolId, activation.version);
    if (stored === undefined || active === undefined) continue;
    const calls = await statistics.endedToolCalls(poolId, instant(Math.max(0, now - WINDOW)), MAX_CALLS);
    if (calls.length === 0) continue;
    const forgotten = await statistics.forgotten(poolId);
    const document = fitStatistics(parsePolicy(active.policy), calls.map(toRecorded), documentOf(stored), (call) =>
      isForgotten(call, forgotten),
    );
    refits.push({ poolId, version: stored.version, calls: calls.length, document });
  }
  return refits;
};

const documentOf = ({ document }: StoredStatistics): StatisticsDocument => document as unknown as StatisticsDocument;

const toRecorded = (call: EndedToolCall): RecordedToolCall => ({
  ...call,
  tool: recordedTool(call),
  inferred: call.tool === null,
});
