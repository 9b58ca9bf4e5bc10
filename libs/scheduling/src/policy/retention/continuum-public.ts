import { seconds, toSeconds } from '../../model/units.js';
import { savedEntries, savedNumbers } from '../../statistics/saved.js';
import type { PolicyFact } from '../facts.js';
import type { RetentionChoice, RetentionPolicy, RetentionView } from './retention-policy.js';

/** FIXED_THRESHOLD_CONTINUUM of the authors' code: the TTL, and the longest mean duration that is still worth one. */
const THRESHOLD_SECONDS = 2;

/** Durations of each tool: how many, and their sum in seconds. */
export interface ContinuumPublicState {
  readonly byTool: Map<string, { count: number; sumSeconds: number }>;
}

/**
 * Continuum as its public code does it (arXiv 2511.02230, code to January 2026): the running mean of each tool's
 * durations predicts the next one; a tool of at most 2.0 s, or never seen, earns a pin of 2.0 s, any other none.
 *
 * Choices. A gap without a named tool is no tool: it teaches nothing and earns nothing. The tool is parsed from the
 * answer there and declared by the client here, so a pin of the same 2.0 s rides on the request and bridges the moment
 * between; the rule decides when the tool begins. All pins have the same value, above any bid: at total stall the one
 * that ends last goes first, as in the code, which differs from the paper. The engine's own rule lets pins give way
 * before it preempts a running turn; the code preempts first. The error that skips every second expired pin is not
 * reproduced.
 */
export const continuumPublicRetention: RetentionPolicy<ContinuumPublicState> = {
  type: 'retention.continuum-public',
  holdsWhileWaiting: true,
  initialState: () => ({ byTool: new Map() }),
  observe: (state, fact) => learn(state, fact),
  choose: (state, view) =>
    view.moment === 'dispatch' ? hold(view, 'held until the tool is known', null) : byMean(state, view),
  memory: {
    save: ({ byTool }) => ({ durations: [...byTool].map(([tool, sums]) => [tool, { ...sums }]) }),
    load: ({ byTool }, { durations }) => {
      const known = savedEntries(durations, (saved) => savedNumbers(saved, ['count', 'sumSeconds']));
      if (known === undefined) return;
      byTool.clear();
      for (const [tool, { count, sumSeconds }] of known) byTool.set(tool, { count, sumSeconds });
    },
  },
};

/** Modifies `state`. */
const learn = (state: ContinuumPublicState, fact: PolicyFact): void => {
  if (fact.type !== 'toolCallEnded' || fact.tool === '') return;
  const known = state.byTool.get(fact.tool) ?? { count: 0, sumSeconds: 0 };
  known.count += 1;
  known.sumSeconds += toSeconds(fact.duration);
  state.byTool.set(fact.tool, known);
};

const byMean = (state: ContinuumPublicState, view: RetentionView): RetentionChoice => {
  const tool = view.tool ?? '';
  const known = state.byTool.get(tool);
  const meanSeconds = known === undefined ? null : known.sumSeconds / known.count;
  if (tool !== '' && (meanSeconds ?? 0) <= THRESHOLD_SECONDS) {
    return hold(
      view,
      meanSeconds === null ? 'a tool never seen counts as short' : 'the tool is short on average',
      meanSeconds,
    );
  }
  return {
    terms: null,
    reason: tool === '' ? 'no tool is known' : 'the tool is long on average',
    inputs: { tool, meanSeconds, thresholdSeconds: THRESHOLD_SECONDS, contextTokens: view.contextTokens },
  };
};

const hold = (view: RetentionView, reason: string, meanSeconds: number | null): RetentionChoice => ({
  terms: { ttl: seconds(THRESHOLD_SECONDS), soft: false, value: null },
  reason,
  inputs: {
    tool: view.tool ?? '',
    meanSeconds,
    thresholdSeconds: THRESHOLD_SECONDS,
    ttlSeconds: THRESHOLD_SECONDS,
    contextTokens: view.contextTokens,
  },
});
