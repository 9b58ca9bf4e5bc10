import { describe, expect, it } from '@jest/globals';
import { dryRun } from './dry-run.js';
import { dryRunRequest, type DryRunRequest } from './request.js';

/** Programs of some turns whose contexts do not fit side by side: keeping them pays. */
const request = (changes: Partial<DryRunRequest> = {}): DryRunRequest =>
  dryRunRequest.parse({
    policies: ['vllm-fcfs', 'holdfast'],
    engineProfile: 'h100-llama-3.1-8b',
    engines: [{ totalBlocks: 4_000 }],
    dispatchWindow: 2,
    programs: Array.from({ length: 12 }, (_, program) => ({
      programId: `p${program}`,
      programClass: 'swe',
      arrivedAtMicros: program * 500_000,
      turns: Array.from({ length: 6 }, (__, turn) => ({
        promptTokens: 4_000 + turn * 2_000,
        sharedTokens: turn === 0 ? 0 : 3_800 + (turn - 1) * 2_000,
        outputTokens: 100,
        tool: turn % 2 === 0 ? 'grep' : 'bash:pytest',
        gapMicros: 2_000_000,
      })),
    })),
    ...changes,
  });

describe('a dry run', () => {
  it('shows what each policy makes of the same programs', () => {
    const result = dryRun(request());
    expect(result).toMatchObject({ programs: 12, turns: 72, cutTurns: 0, engines: 1 });
    expect(result.policies.map(({ policy }) => policy)).toEqual(['vllm-fcfs', 'holdfast']);
    for (const outcome of result.policies) {
      expect(outcome).toMatchObject({ finishedPrograms: 12, finishedTurns: 72 });
      expect(outcome.jctSeconds.mean).toBeGreaterThan(10);
    }
    const [stock, holdfast] = result.policies;
    expect(stock?.pins.set).toBe(0);
    expect(holdfast?.pins.hit).toBeGreaterThan(0);
    expect(holdfast?.recomputedTokens).toBeLessThan(stock?.recomputedTokens ?? 0);
  });

  it('gives the same result for the same request, to the byte, whatever the order of the programs', () => {
    const once = JSON.stringify(dryRun(request()));
    expect(JSON.stringify(dryRun(request()))).toBe(once);
    const reversed = [...request().programs].reverse();
    expect(JSON.stringify(dryRun(request({ programs: reversed })))).toBe(once);
  });

  it('cuts prompts that no engine holds, and says so', () => {
    const result = dryRun(request({ engines: [{ totalBlocks: 600 }, { totalBlocks: 4_000 }] }));
    expect(result.cutTurns).toBe(36);
    expect(result.policies[0]?.finishedTurns).toBe(72);
  });

  it('has an answer when nothing was recorded', () => {
    const result = dryRun(request({ programs: [] }));
    expect(result).toMatchObject({ programs: 0, turns: 0 });
    expect(result.policies[0]).toMatchObject({ finishedPrograms: 0, jctSeconds: { mean: 0 } });
  });

  it('names the policy or the profile that it does not know', () => {
    expect(() => dryRun(request({ policies: ['none'] }))).toThrow(/policy "none" is unknown/);
    expect(() => dryRun(request({ engineProfile: 'abacus' }))).toThrow(/engine profile is "abacus"/);
  });
});
