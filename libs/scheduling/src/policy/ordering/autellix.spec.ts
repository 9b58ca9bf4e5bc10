import { describe, expect, it } from '@jest/globals';
import { instant, seconds } from '../../model/units.js';
import type { PolicyFact } from '../facts.js';
import { anOrderingView, aProgram, aTurn } from '../policy.fixture.js';
import { autellixOrdering, type AutellixState } from './autellix.js';

const policy = autellixOrdering({ beta: 2 });
const NOW = 100;

/** One call of program p: waited, then ran (prefill and decode), and ended at NOW. */
const aCall = (waited: number, ran: number, output = 0): PolicyFact => ({
  type: 'turnRan',
  program: aProgram(),
  turn: aTurn({
    submittedAt: instant((NOW - waited - ran) * 1e6),
    startedAt: instant((NOW - ran) * 1e6),
    state: 'started',
  }),
  wasEvicted: false,
  queueDelay: seconds(waited),
  uncachedTokens: 100,
  outputTokens: output,
});

const stateAfter = (...facts: readonly PolicyFact[]): AutellixState => {
  const state = policy.initialState();
  for (const fact of facts) policy.observe(state, fact, instant(NOW * 1e6));
  return state;
};

const QUEUE = 2 ** 51;
const at = (view: {
  attained: number;
  state?: AutellixState;
  now?: number;
  turn?: Parameters<typeof aTurn>[0];
}): number => {
  const turn = aTurn({ submittedAt: instant(NOW * 1e6), ...view.turn });
  const program = aProgram({ attainedTokens: view.attained });
  const now = instant((view.now ?? NOW) * 1e6);
  return policy.rank(view.state ?? stateAfter(aCall(0, 10)), anOrderingView({ program, turn, now }));
};
const queueOf = (view: Parameters<typeof at>[0]): number => Math.floor(at(view) / QUEUE);

describe('least attained service', () => {
  it('puts programs into queues by the tokens they have had, on the bound into the lower one', () => {
    const queues = [0, 2_047, 2_048, 8_191, 8_192, 32_767, 32_768, 1e9].map((attained) => queueOf({ attained }));
    expect(queues).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  });

  it('serves a queue first come first served', () => {
    const early = at({ attained: 5_000, turn: { submittedAt: instant(1_000_000) }, now: 2 });
    const late = at({ attained: 3_000, turn: { submittedAt: instant(1_000_001) }, now: 2 });
    expect(early).toBeLessThan(late);
  });

  it('moves a call up, by hand, once its program waited twice as long as it ran', () => {
    // 4 s waited and 10 s run before; (4 + w) / 10 reaches 2 when w = 16 s.
    const state = stateAfter(aCall(4, 10));
    expect(queueOf({ attained: 40_000, state, now: NOW + 15.9 })).toBe(3);
    expect(queueOf({ attained: 40_000, state, now: NOW + 16 })).toBe(0);
  });

  it('keeps a promoted call where it entered while it runs, and counts what it has used', () => {
    const state = stateAfter(aCall(4, 10));
    const turn = { startedAt: instant((NOW + 16) * 1e6), state: 'started', promptTokens: 4_000 } as const;
    expect(queueOf({ attained: 40_000, state, now: NOW + 60, turn: { ...turn, sharedTokens: 3_900 } })).toBe(0);
    // 3,500 new tokens use up 2,048 and 1,024 and leave 428 of the 512 of the third queue.
    expect(queueOf({ attained: 40_000, state, now: NOW + 60, turn: { ...turn, sharedTokens: 500 } })).toBe(2);
  });

  it('does not promote a call for the time that it runs', () => {
    const turn = { startedAt: instant((NOW + 1) * 1e6), state: 'started' } as const;
    expect(queueOf({ attained: 40_000, state: stateAfter(aCall(4, 10)), now: NOW + 600, turn })).toBe(3);
  });

  it('moves a call down when its quantum is used up, not before', () => {
    const used = (promptTokens: number): number =>
      queueOf({
        attained: 0,
        turn: { startedAt: instant(NOW * 1e6), state: 'started', promptTokens, sharedTokens: 0 },
      });
    expect([2_047, 2_048, 3_071, 3_072, 3_583, 3_584].map(used)).toEqual([0, 1, 1, 2, 2, 3]);
  });

  it('moves a running call down by the mean speed of output so far', () => {
    // 100 tokens in 10 s are 10 a second: 2,048 tokens after 204.8 s, 100 of which are new prompt.
    const state = stateAfter(aCall(0, 10, 100));
    const turn = { startedAt: instant(NOW * 1e6), state: 'started' } as const;
    expect(queueOf({ attained: 0, state, now: NOW + 194, turn })).toBe(0);
    expect(queueOf({ attained: 0, state, now: NOW + 195, turn })).toBe(1);
  });

  it('forgets a program that has ended', () => {
    const state = stateAfter(aCall(4, 10), { type: 'programEnded', program: aProgram(), completed: true });
    expect(state.byProgram.size).toBe(0);
  });
});
