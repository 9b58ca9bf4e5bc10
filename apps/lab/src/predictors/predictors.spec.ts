import { describe, expect, it } from '@jest/globals';
import { instant, seconds, ToolDurations, type DurationKey } from '@holdfast/scheduling';
import { RandomStreams } from '@holdfast/simulation';
import type { Contender, Forecast } from './contender.js';
import { continuumCdf } from './empirical-cdf.js';
import { scoreForecast } from './forecast-score.js';
import { kernelPredictor } from './kernel-predictor.js';
import { runningMedian } from './running-median.js';
import { scoreContenders } from './score-contenders.js';
import { summariseScores } from './summarise-scores.js';
import type { ToolCall } from './tool-call-timeline.js';

const key = (tool: string, programId = 'p'): DurationKey => ({ tenantId: 't', programClass: 'c', programId, tool });

const call = (startSeconds: number, lengthSeconds: number, tool = 'bash', programId = 'p'): ToolCall => ({
  key: key(tool, programId),
  startedAt: instant(startSeconds * 1e6),
  length: seconds(lengthSeconds),
});

/** Knows that durations are exponential with mean 1. */
const exponential: Forecast = {
  medianSeconds: Math.LN2,
  distribution: { quantile: (p) => -Math.log(1 - p), probabilityWithin: (s) => 1 - Math.exp(-Math.max(0, s)) },
};

const alwaysSays = (name: string, forecast: Forecast | null): Contender => ({
  name,
  observe: () => undefined,
  predict: () => forecast,
  forget: () => undefined,
});

const exponentialCalls = (count: number): readonly ToolCall[] => {
  const stream = new RandomStreams(7).stream('calls');
  return Array.from({ length: count }, (_, index) => call(index * 100, stream.exponential(1), 'bash', `p${index % 9}`));
};

describe('a score of forecasts', () => {
  it('finds a true distribution calibrated, and a false one not', () => {
    const calls = exponentialCalls(4_000);
    const fast: Forecast = {
      medianSeconds: Math.LN2 / 4,
      distribution: { quantile: () => 0, probabilityWithin: (s) => 1 - Math.exp(-4 * Math.max(0, s)) },
    };
    const contenders = [alwaysSays('true', exponential), alwaysSays('fast', fast)];
    const [group] = summariseScores(scoreContenders({ calls, ends: [] }, contenders, [0]), 0);
    const [right, wrong] = group!.contenders;
    for (const percent of [50, 80, 95]) expect(right!.coverage![percent]! * 100).toBeCloseTo(percent, -0.5);
    expect(wrong!.coverage![80]).toBeLessThan(0.6);
    // P(ln 2 / 2 <= x <= 2 ln 2) = 2 ** -0.5 - 2 ** -2
    expect(right!.withinTwo).toBeCloseTo(2 ** -0.5 - 0.25, 1);
    expect(wrong!.bitsAgainstFirst!.low).toBeGreaterThan(0);
    expect(right!.bitsAgainstFirst).toBeNull();
  });

  it('takes the probability of the bin that came, and never less than the uniform share gives', () => {
    const options = { elapsedSeconds: 0, givesDistributions: true };
    const { bits, logError } = scoreForecast(exponential, 1, options);
    // 1 s lies in the bin from 0.001 * 2^(39/4) to 0.001 * 2^(40/4) s.
    const mass = Math.exp(-0.001 * 2 ** (39 / 4)) - Math.exp(-0.001 * 2 ** 10);
    expect(bits).toBeCloseTo(-Math.log2(0.99 * mass + 0.01 / 100));
    expect(logError).toBeCloseTo(-Math.log(Math.LN2));
    expect(scoreForecast(exponential, 9_000, options).bits).toBeCloseTo(-Math.log2(0.01 / 100));
    expect(scoreForecast(null, 1, options).bits).toBeCloseTo(Math.log2(100));
  });

  it('spreads a duration that lies on a step of the distribution over the step', () => {
    const step: Forecast = {
      medianSeconds: 1,
      distribution: { quantile: () => 1, probabilityWithin: (s) => (s < 1 ? 0 : 1) },
    };
    const calls = Array.from({ length: 10 }, (_, index) => call(index, 1));
    const [group] = summariseScores(scoreContenders({ calls, ends: [] }, [alwaysSays('step', step)], [0]), 0);
    expect(group!.contenders[0]!.coverage).toEqual({ 50: 0.5, 80: expect.closeTo(0.8), 95: expect.closeTo(0.95) });
  });
});

describe('contenders', () => {
  it('are asked with what was known by then, and scored once all have something to say', () => {
    const told: string[] = [];
    const witness: Contender = {
      name: 'witness',
      observe: ({ programId }, { fromSeconds, toSeconds, isOver }) =>
        void told.push(`${programId} ${fromSeconds} to ${toSeconds}${isOver ? ' over' : ''}`),
      predict: ({ programId }, elapsedSeconds) => {
        told.push(`${programId}? ${elapsedSeconds}`);
        return programId === 'a' ? null : { medianSeconds: 1, distribution: null };
      },
      forget: (programId) => void told.push(`${programId} ended`),
    };
    const timeline = {
      calls: [call(0, 3, 'x', 'a'), call(2, 0.5, 'x', 'b')],
      ends: [{ programId: 'a', at: instant(4e6) }],
    };
    const { warmUpCalls, forecasts } = scoreContenders(timeline, [witness], [0, 2.5]);
    expect(told).toEqual([
      ...['a? 0', 'a 0 to 1', 'a 1 to 2', 'b? 0', 'b 0 to 0.5 over', 'a? 2.5', 'a 2 to 3 over', 'a ended'],
    ]);
    expect(warmUpCalls).toBe(1);
    expect(forecasts.map(({ programId, elapsedSeconds }) => [programId, elapsedSeconds])).toEqual([
      ['b', 0],
      ['a', 2.5],
    ]);
  });

  it('that take medians ask the next wider key while there are fewer than five calls', () => {
    const median = runningMedian('command class');
    const over = (tool: string, toSeconds: number): void =>
      median.observe(key(tool), { fromSeconds: 0, toSeconds, isOver: true });
    expect(median.predict(key('bash:ls'), 0)).toBeNull();
    for (const length of [1, 2, 3, 4, 5]) over('bash:make', length);
    expect(median.predict(key('bash:ls'), 0)!.medianSeconds).toBe(3);
    for (const length of [7, 8, 9, 8, 8]) over('bash:ls', length);
    expect(median.predict(key('bash:ls'), 0)!.medianSeconds).toBe(8);
    expect(median.predict(key('bash:ls'), 1)).toBeNull();
  });

  it("of Continuum say nothing of a hundred calls, then what all took, then what the tool's own took", () => {
    const cdf = continuumCdf();
    const over = (tool: string, toSeconds: number): void =>
      cdf.observe(key(tool), { fromSeconds: 0, toSeconds, isOver: true });
    for (let index = 0; index < 100; index += 1) over('a', 1);
    expect(cdf.predict(key('a'), 0)).toBeNull();
    for (let index = 0; index < 100; index += 1) over('b', 10);
    expect(cdf.predict(key('b'), 0)!.distribution!.probabilityWithin(1)).toBe(0.5);
    expect(cdf.predict(key('b'), 2)!.medianSeconds).toBe(10);
    over('b', 10);
    expect(cdf.predict(key('b'), 0)!.distribution!.probabilityWithin(1)).toBe(0);
    expect(cdf.predict(key('b'), 20)).toBeNull();
  });

  it('of the kernel learn: better on a tool that they know than a distribution over all tools', () => {
    const calls = Array.from({ length: 600 }, (_, index) =>
      call(index * 20, index % 2 === 0 ? 0.1 : 8, index % 2 === 0 ? 'read' : 'test', `p${index % 40}`),
    );
    const contenders = [
      kernelPredictor('own', new ToolDurations(), { hearsOfRunningCalls: true }),
      alwaysSays('exponential', exponential),
    ];
    const [group] = summariseScores(scoreContenders({ calls, ends: [] }, contenders, [0]), 0);
    expect(group!.contenders[0]!.withinTwo).toBeGreaterThan(0.95);
    expect(group!.contenders[1]!.bitsAgainstFirst!.low).toBeGreaterThan(1);
  });
});
