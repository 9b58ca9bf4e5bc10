import { describe, expect, it } from '@jest/globals';
import { type RandomStream, RandomStreams } from './random-streams.js';

const draws = (stream: RandomStream, count: number): number[] => Array.from({ length: count }, () => stream.uniform());
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('random streams', () => {
  it('repeat for equal seeds and names', () => {
    const again = new RandomStreams(7);
    expect(draws(new RandomStreams(7).stream('arrivals'), 20)).toEqual(draws(again.stream('arrivals'), 20));
    expect(again.stream('arrivals')).toBe(again.stream('arrivals'));
  });

  it('are not shifted by other streams', () => {
    const alone = new RandomStreams('s');
    const crowded = new RandomStreams('s');
    draws(crowded.stream('tools'), 13);
    const stream = crowded.stream('arrivals');
    const first = draws(stream, 5);
    draws(crowded.stream('tools'), 4);
    draws(crowded.stream('new one'), 1);
    expect([...first, ...draws(stream, 5)]).toEqual(draws(alone.stream('arrivals'), 10));
  });

  it('differ by name and by seed', () => {
    const sequences = [
      draws(new RandomStreams(1).stream('a'), 4),
      draws(new RandomStreams(1).stream('b'), 4),
      draws(new RandomStreams(2).stream('a'), 4),
    ].map(String);
    expect(new Set(sequences).size).toBe(3);
  });

  it('are uniform over their range', () => {
    const stream = new RandomStreams(1).stream('u');
    const values = Array.from({ length: 20_000 }, () => stream.uniform(-2, 4));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-2);
    expect(Math.max(...values)).toBeLessThan(4);
    expect(mean(values)).toBeCloseTo(1, 1);
    const deciles = Array<number>(10).fill(0);
    for (const value of values) deciles[Math.floor((value + 2) / 0.6)]! += 1;
    for (const count of deciles) expect(Math.abs(count - 2_000)).toBeLessThan(200);
  });

  it('draw every integer of a range, ends included', () => {
    const stream = new RandomStreams(1).stream('i');
    const values = Array.from({ length: 500 }, () => stream.integer(-1, 2));
    expect([...new Set(values)].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
    expect(stream.integer(3, 3)).toBe(3);
    expect(() => stream.integer(2, 1)).toThrow(/integer range is 2 to 1/);
  });

  it('draw exponentials with the mean asked for', () => {
    const stream = new RandomStreams(1).stream('e');
    const values = Array.from({ length: 20_000 }, () => stream.exponential(3));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.abs(mean(values) - 3)).toBeLessThan(0.1);
    // The median of an exponential is mean * ln 2.
    expect(values.filter((value) => value < 3 * Math.LN2).length / 20_000).toBeCloseTo(0.5, 1);
    expect(() => stream.exponential(-1)).toThrow(/mean is -1/);
  });

  it('draw lognormals with the median and the spread asked for', () => {
    const stream = new RandomStreams(1).stream('l');
    const logs = Array.from({ length: 20_000 }, () => Math.log(stream.lognormal(2, 0.5)));
    expect(mean(logs)).toBeCloseTo(2, 1);
    expect(Math.sqrt(mean(logs.map((value) => (value - 2) ** 2)))).toBeCloseTo(0.5, 1);
    expect(() => stream.lognormal(0, -1)).toThrow(/sigma is -1/);
  });
});
