import { describe, expect, it } from '@jest/globals';
import { distributionOf } from '@holdfast/simulation';
import { summarise, type SummaryRow } from '../measure/summary.js';
import { comparisonTable } from './comparison-table.js';
import { verdictOf } from './verdict.js';

const flat = { mean: 1, p50: 1, p95: 1, p99: 1, max: 1 };

const aRow = (policy: string, meanSeconds: number, cachedTokens: number): SummaryRow => ({
  trace: 't', engine: 'e', engines: 2, policy, load: 2, seed: 1, programs: 3, finished: 3,
  jctSeconds: { ...flat, mean: meanSeconds }, ttftSeconds: flat, queueWaitSeconds: flat,
  promptTokens: 1_000, cachedTokens, recomputedTokens: 1_000 - cachedTokens, outputTokens: 10, preemptions: 0,
  pins: { set: 4, hit: 3, expired: 1, revoked: 0 }, pinnedByteSeconds: { used: 1, wasted: 1 }, turnsPerSecond: 1,
  timeScale: 50, overheadSeconds: 3,
}); // prettier-ignore

describe('the verdict', () => {
  it('says what was gained and why', () => {
    expect(verdictOf([aRow('a', 200, 100), aRow('b', 150, 300)])).toBe(
      'Against a, b completed programs in 25 % less time (mean 150 s instead of 200 s): ' +
        '30 % instead of 10 % of the prompt tokens came from a cache.',
    );
  });

  it('says so when a policy loses, and when it makes no difference', () => {
    expect(verdictOf([aRow('a', 100, 100), aRow('b', 130, 100), aRow('c', 101, 100)])).toBe(
      'Against a, b LOST, its programs took 30 % longer (mean 130 s instead of 100 s): 10 % of the prompt tokens came ' +
        'from a cache in both; c made no difference beyond the noise of 3 % (mean 101 s instead of 100 s): 10 % of the ' +
        'prompt tokens came from a cache in both.',
    );
  });

  it('claims nothing that the overhead of a busy machine could explain', () => {
    const busy = { ...aRow('b', 150, 300), overheadSeconds: 90 };
    expect(verdictOf([aRow('a', 200, 100), busy])).toContain('b made no difference beyond the noise of 31 %');
  });

  it('is empty for one policy', () => {
    expect(verdictOf([aRow('a', 100, 100)])).toBe('');
  });
});

describe('the table', () => {
  it('shows each figure with its change against the first policy', () => {
    const table = comparisonTable([aRow('a', 200, 100), aRow('b', 150, 300)], { isColoured: false });
    expect(table).toMatch(/JCT mean\s+│\s+200 s │\s+150 s \(-25 %\)/);
    expect(table).toMatch(/cached share of prompt tokens │\s+10\.0 % │ 30\.0 % \(\+20 pts\)/);
    expect(table).toMatch(/pins hit\s+│\s+3 │\s+3 │/);
  });
});

describe('a distribution', () => {
  it('has the mean and the quantiles, also of one value and of none', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(distributionOf(hundred)).toEqual({ mean: 50.5, p50: 50.5, p95: 95.05, p99: 99.01, max: 100 });
    expect(distributionOf([3])).toEqual({ mean: 3, p50: 3, p95: 3, p99: 3, max: 3 });
    expect(distributionOf([]).max).toBe(0);
  });
});

describe('a summary row', () => {
  it('counts turns and tools as completion time, the rest as overhead, and adds up tokens and pins', () => {
    const aProgram = (startedAt: number, endedAt: number): Parameters<typeof summarise>[0]['replayed'][number] => ({
      info: {
        programId: 'p', name: '', model: 'm', programClass: '', state: 'completed', startedAt: new Date(startedAt),
        endedAt: new Date(endedAt), turnsFinished: 1, toolCallsEnded: 0, contextTokens: 110, promptTokens: 100,
        cachedTokens: 60, recomputedTokens: 5, outputTokens: 10,
      },
      turns: [{
        usage: { promptTokens: 100, cachedTokens: 60, outputTokens: 10, recomputedTokens: 5 },
        queueWaitMs: 500, timeToFirstTokenMs: 1_500, durationMs: 4_000, isCompaction: false,
      }],
      gapSeconds: 5,
    }); // prettier-ignore
    const pins = {
      set: 2,
      hit: 1,
      expired: 1,
      revoked: 0,
      usedTokenSeconds: 10,
      wastedTokenSeconds: 3,
      missedEvents: 0,
    };
    const row = summarise({
      trace: 't', engine: 'e', engines: 2, policy: 'a', load: 1, seed: 1, programs: 2, timeScale: 50,
      replayed: [aProgram(0, 10_000), aProgram(5_000, 25_000)], pins: [pins, pins], preemptions: 1, kvBytesPerToken: 100,
    }); // prettier-ignore
    expect(row).toMatchObject({
      finished: 2,
      jctSeconds: { mean: 9, max: 9 },
      ttftSeconds: { mean: 1.5 },
      queueWaitSeconds: { p50: 0.5 },
      promptTokens: 200,
      cachedTokens: 120,
      recomputedTokens: 10,
      pins: { set: 4, hit: 2, expired: 2, revoked: 0 },
      pinnedByteSeconds: { used: 2_000, wasted: 600 },
      turnsPerSecond: 2 / 25,
      overheadSeconds: (10 - 4 - 5 + (20 - 4 - 5)) / 2,
    });
  });
});
