import { instant } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { compareDecisions } from './compare-decisions.js';
import type { RecordedRun, ResolvedDecision } from './recorded-run.js';

describe('two runs', () => {
  const decision = (decisionId: number, changes: Partial<ResolvedDecision> = {}): ResolvedDecision => ({
    decisionId,
    at: instant(decisionId * 10_000),
    kind: 'dispatch',
    policy: 'ordering.turn-fcfs',
    programId: `p${decisionId}`,
    turnId: `t${decisionId}`,
    engineId: 'e1',
    choice: 'dispatch',
    ...changes,
  });
  const runOf = (...decisions: readonly ResolvedDecision[]): RecordedRun => ({
    policy: 'vllm-fcfs',
    dispatchWindow: 4,
    engines: [],
    arrivals: [],
    turns: [],
    decisions,
    indexOf: new Map(decisions.map(({ turnId }) => [turnId!, 0])),
  });
  const live = runOf(decision(1), decision(2), decision(3));

  it('are equal when each program gets the same, whatever the turns are called', () => {
    const other = runOf(...live.decisions.map((own) => ({ ...own, turnId: `${own.programId}/0` })));
    expect(compareDecisions(live, other)).toMatchObject({ equalPrograms: 3, equalDecisions: 3, invertedPairs: 0 });
  });

  it.each([
    ['another engine', { engineId: 'e2' }],
    ['another choice', { choice: 'move' }],
    ['another outcome', { outcome: 'expired' }],
    ['another kind', { kind: 'retention' }],
  ] as const)('differ by %s', (_, changes) => {
    const other = runOf(decision(1), decision(2, changes), decision(3));
    expect(compareDecisions(live, other)).toMatchObject({ equalPrograms: 2, equalDecisions: 2 });
    expect(compareDecisions(other, live)).toMatchObject({ equalPrograms: 2, equalDecisions: 2 });
  });

  it('differ by a decision that only one of them took', () => {
    const more = runOf(...live.decisions, decision(4, { programId: 'p3', kind: 'retention' }));
    expect(compareDecisions(live, more)).toMatchObject({ equalPrograms: 2, equalDecisions: 3, decisions: 3 });
    expect(compareDecisions(more, live)).toMatchObject({ equalPrograms: 2, equalDecisions: 3, decisions: 4 });
  });

  it('say which dispatches to an engine came in another order, and how far apart those were', () => {
    const later = decision(1, { at: instant(40_000) });
    const other = runOf(decision(2), decision(3), later);
    expect(compareDecisions(live, other)).toMatchObject({
      equalPrograms: 3,
      invertedPairs: 2,
      widestInversionMs: 20,
      apartMs: { max: 30 },
    });
  });
});
