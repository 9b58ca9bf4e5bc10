import { describe, expect, it } from '@jest/globals';
import { TokenSource } from '../workload/token-source.js';
import { ProgramContext } from './program-context.js';

describe('a program context', () => {
  it('is extended by a prompt and its output, and cut by a prompt that keeps less', () => {
    const context = new ProgramContext();
    const first = context.promptOf(0, Uint32Array.of(1, 2, 3));
    context.extend(first, [4, 5]);
    expect(context.length).toBe(5);
    const second = context.promptOf(5, Uint32Array.of(6));
    expect([...second]).toEqual([1, 2, 3, 4, 5, 6]);
    context.extend(second, [7]);
    expect([...context.promptOf(2, Uint32Array.of(9))]).toEqual([1, 2, 9]);
  });
});

describe('token ids', () => {
  it('are the same for the same program and seed, others otherwise', () => {
    const ids = (seed: number, ordinal: number): number[] => [...new TokenSource(seed, ordinal).take(32)];
    expect(ids(1, 1)).toEqual(ids(1, 1));
    expect(ids(1, 2)).not.toEqual(ids(1, 1));
    expect(ids(2, 1)).not.toEqual(ids(1, 1));
  });

  it('go on where they stopped, in the range of printable characters', () => {
    const whole = [...new TokenSource(1, 1).take(200)];
    const source = new TokenSource(1, 1);
    expect([...source.take(120), ...source.take(80)]).toEqual(whole);
    expect(Math.min(...whole)).toBeGreaterThanOrEqual(0x20);
    expect(Math.max(...whole)).toBeLessThanOrEqual(0x7e);
  });
});
