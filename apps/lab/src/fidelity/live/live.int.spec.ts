import { describe, expect, it } from '@jest/globals';
import { silentProgress } from '../../output/progress.js';
import { LIVE_SHAPE, measureLive } from './live-part.js';
import { liveWorkload } from './live-workload.js';

const TIMEOUT_MS = 180_000;

describe('a workload on a live service and in the simulator', () => {
  it(
    'gets the same decisions, where none of them hangs on milliseconds',
    async () => {
      // Memory is ample and there is one engine: what a program gets does not depend on when the others come.
      const shape = { ...LIVE_SHAPE, programs: 4, turns: [2, 4], firstPromptTokens: [500, 2_000] } as const;
      const { signal } = new AbortController();
      const policies = ['vllm-fcfs', 'infinite-pin'];
      const options = {
        policies,
        shape,
        engines: 1,
        blocks: [1_752],
        timeScale: 4,
        signal,
        progress: silentProgress(),
      };
      const turns = liveWorkload(shape, 1).reduce((sum, { program }) => sum + program.turns.length, 0);
      const results = await measureLive(options);
      expect(results.map(({ policy, comparison }) => [policy, comparison.outcomes])).toEqual([
        ['vllm-fcfs', {}],
        ['infinite-pin', expect.objectContaining({ hit: turns - 4 })],
      ]);
      for (const { comparison } of results) {
        expect(comparison).toMatchObject({ programs: 4, equalPrograms: 4, equalDecisions: comparison.decisions });
        expect(comparison.dispatches).toBe(turns);
      }
    },
    TIMEOUT_MS,
  );
});
