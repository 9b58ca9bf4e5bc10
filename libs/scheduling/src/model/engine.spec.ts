import { describe, expect, it } from '@jest/globals';
import { anEngine } from '../kernel/kernel.fixture.js';
import { rebuildSeconds } from './engine.js';

/** A millisecond to compute a token, after 50 ms. */
const computing = anEngine({ prefillCost: { baseSeconds: 0.05, perTokenSeconds: 0.001, perTokenSquaredSeconds: 0 } });

describe('the time to have overwritten KV again', () => {
  it('is that of computing it on an engine without host memory, or one that does not tell its speed', () => {
    expect(rebuildSeconds(computing, 1_000)).toBeCloseTo(1.05);
    expect(rebuildSeconds({ ...computing, hostBlocks: 100 }, 1_000)).toBeCloseTo(1.05);
    expect(rebuildSeconds({ ...computing, hostBlocks: 0, reloadSecondsPerToken: 1e-6 }, 1_000)).toBeCloseTo(1.05);
  });

  it('is that of the transfer from host memory, unless computing is quicker', () => {
    const engine = { ...computing, hostBlocks: 100 };
    expect(rebuildSeconds({ ...engine, reloadSecondsPerToken: 0.0001 }, 1_000)).toBeCloseTo(0.1);
    expect(rebuildSeconds({ ...engine, reloadSecondsPerToken: 0.01 }, 1_000)).toBeCloseTo(1.05);
    expect(rebuildSeconds({ ...engine, reloadSecondsPerToken: 0.0001 }, 0)).toBe(0);
  });
});
