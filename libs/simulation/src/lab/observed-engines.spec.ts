import { describe, expect, it } from '@jest/globals';
import { parsePolicy, seconds, type Decision, type KernelEvent } from '@holdfast/scheduling';
import { planArrivals } from './plan-arrivals.js';
import { h100Pool } from './h100-pool.fixture.js';
import { simulate } from './simulate.js';
import type { RecordedProgram } from './workload.js';

const KV_SCALE = 0.02;
const TOTAL_BLOCKS = 584;

const programs = Array.from({ length: 40 }, (_, index): RecordedProgram => ({
  programId: `p${index}`,
  programClass: 'c',
  turns: Array.from({ length: 4 }, (__, turn) => ({
    promptTokens: 600 * (turn + 1),
    sharedTokens: turn === 0 ? 0 : 600 * turn + 50,
    outputTokens: 50,
    tool: 'bash',
    gap: seconds(3),
  })),
}));

const run = (policy: string): { readonly events: readonly [number, KernelEvent][]; readonly decisions: Decision[] } => {
  const events: [number, KernelEvent][] = [];
  const decisions: Decision[] = [];
  simulate({
    profile: parsePolicy(policy),
    engines: h100Pool({ engines: 2, kvScale: KV_SCALE }),
    arrivals: planArrivals({ programs, count: 40, ratePerSecond: 4, seed: 1 }),
    dispatchWindow: 4,
    observer: {
      kernelEvent: (event, now) => events.push([now, event]),
      decision: (decision) => decisions.push(decision),
    },
  });
  return { events, decisions };
};

describe('engines of a simulation', () => {
  it('report their pool and queues to the kernel once a second while anything happens there', () => {
    const { events } = run('saga');
    for (const engineId of ['e1', 'e2']) {
      const reports = events.flatMap(([at, event]) =>
        event.type === 'engineObserved' && event.engineId === engineId ? [[at, event] as const] : [],
      );
      expect(reports.length).toBeGreaterThan(5);
      for (const [index, [at, { load, observedAt }]] of reports.entries()) {
        expect(observedAt).toBe(at);
        if (index > 0) expect(at - reports[index - 1]![0]).toBeGreaterThanOrEqual(1e6);
        const { freeBlocks, evictableBlocks, pinnedBlocks, activeBlocks } = load;
        expect(freeBlocks + evictableBlocks + pinnedBlocks + activeBlocks).toBe(TOTAL_BLOCKS);
      }
      expect(Math.max(...reports.map(([, { load }]) => load.pinnedBlocks))).toBeGreaterThan(0);
    }
  });

  it('are seen by the policies that look: saga feels pressure, infercept counts what runs', () => {
    const pressures = run('saga').decisions.map(({ inputs }) => inputs['memoryPressure'] as number | undefined);
    expect(Math.max(...pressures.map((pressure) => pressure ?? 0))).toBeGreaterThan(0.5);
    const reports = run('infercept').events.flatMap(([, event]) => (event.type === 'engineObserved' ? [event] : []));
    expect(Math.max(...reports.map(({ load }) => load.runningRequests))).toBeGreaterThan(0);
  });
});
