import { instant, seconds } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { scoreTools } from './tool-forecasts.js';

const call = (tool: string | null, durationSeconds: number, index: number, tenantId = 'acme') => ({
  programId: `prg-${index}`,
  tenantId,
  programClass: 'swe-agent',
  tool,
  commandClass: tool === 'bash' ? 'npm test' : null,
  duration: seconds(durationSeconds),
  endedAt: instant(index * 1_000_000),
});

describe('scoreTools', () => {
  it('forecasts a steady tool well, and says so', () => {
    const calls = Array.from({ length: 200 }, (_, index) => call('bash', 10 + (index % 3), index));
    const [score] = scoreTools(calls);
    expect(score).toMatchObject({ tool: 'bash:npm test', tenantId: 'acme', calls: 200 });
    expect(score?.recordedSeconds).toEqual({ p10: 10, p50: 11, p90: 12, p99: 12 });
    expect(score?.shareWithinTwice).toBeGreaterThan(0.9);
    expect(score?.forecastSeconds.p50).toBeGreaterThan(5);
    expect(score?.forecastSeconds.p50).toBeLessThan(22);
  });

  it('scores each call by the calls before it: a change of pace shows', () => {
    const fast = Array.from({ length: 100 }, (_, index) => call('search', 1, index));
    const slow = Array.from({ length: 10 }, (_, index) => call('search', 100, 100 + index));
    const [before] = scoreTools(fast);
    const [after] = scoreTools([...fast, ...slow]);
    expect(after?.shareWithinTwice).toBeLessThan((before?.shareWithinTwice ?? 0) - 0.05);
  });

  it('keeps tools and tenants apart, and gaps without a tool', () => {
    const scores = scoreTools([call('bash', 1, 0), call('bash', 1, 1, 'rival'), call(null, 30, 2)]);
    expect(scores.map(({ tool, tenantId }) => [tool, tenantId])).toEqual([
      ['', 'acme'],
      ['bash:npm test', 'acme'],
      ['bash:npm test', 'rival'],
    ]);
  });
});
