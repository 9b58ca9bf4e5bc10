import { describe, expect, it } from '@jest/globals';
import { instant, micros, parsePolicy, seconds, type PolicyProfile } from '@holdfast/scheduling';
import { engineProfile } from '../profiles/engine-profile.js';
import { createPool } from './pool.js';
import { simulate } from './simulate.js';
import { taughtPolicy } from './taught-policy.fixture.js';
import type { Arrival, RecordedTurn } from './workload.js';

const TURNS = 5;
/** Of what a program's context is at its end, tokens. */
const FINAL_TOKENS = 10_400;

const turns = (gapSeconds: number, toolOf: (turn: number) => string): readonly RecordedTurn[] =>
  Array.from({ length: TURNS }, (_, turn) => ({
    promptTokens: 2_000 * (turn + 1),
    sharedTokens: turn === 0 ? 0 : 2_000 * turn + 80,
    outputTokens: 80,
    tool: toolOf(turn),
    gap: turn === TURNS - 1 ? micros(0) : seconds(gapSeconds),
  }));

/** Programs with quick and slow tools, faster than an engine that holds five of them at once can serve them. */
const honest = (toolOf: (program: number, turn: number) => string = (program) => `tool-${program % 2}`): Arrival[] =>
  Array.from({ length: 60 }, (_, index) => ({
    at: instant(index * 2e6),
    program: {
      programId: `honest-${index}`,
      programClass: 'c',
      turns: turns(index % 2 === 0 ? 1 : 12, (turn) => toolOf(index, turn)),
    },
  }));

interface Run {
  /** Of honest programs. */
  readonly meanJctSeconds: number;
  readonly maxJctSeconds: number;
  readonly finished: number;
  /** Blocks under pins when the last honest program had ended. */
  readonly pinnedBlocks: number;
}

const run = (arrivals: readonly Arrival[], profile: PolicyProfile = parsePolicy('holdfast')): Run => {
  const engine = engineProfile('h100-llama-3.1-8b');
  const kvScale = (5 * FINAL_TOKENS) / (engine.totalBlocks * engine.blockTokens);
  const pool = createPool({ profile: engine, engines: 1, kvScale, tokenBudget: 2_048, maxRunningRequests: 16 });
  const jcts: number[] = [];
  let pinnedBlocks = NaN;
  simulate({
    profile,
    engines: pool,
    arrivals: [...arrivals].sort((a, b) => a.at - b.at),
    dispatchWindow: 4,
    endAt: instant(50_000e6),
    observer: {
      programFinished: ({ programId, arrivedAt, finishedAt }) => {
        if (!programId.startsWith('honest')) return;
        jcts.push((finishedAt - arrivedAt) / 1e6);
        pinnedBlocks = pool[0]!.engine.load().pinnedBlocks;
      },
    },
  });
  const meanJctSeconds = jcts.reduce((sum, jct) => sum + jct, 0) / jcts.length;
  return { meanJctSeconds, maxJctSeconds: Math.max(...jcts), finished: jcts.length, pinnedBlocks };
};

const usual = run(honest());

/** The policy as it is after calls of each tool that took `factor` times as long as they will now. */
const misled = (factor: number): PolicyProfile =>
  taughtPolicy(
    new Map([
      ['tool-0', factor],
      ['tool-1', 12 * factor],
    ]),
  );

describe('holdfast, when it is deceived', () => {
  it('gives memory back that programs hold who never return, and nobody else waits much longer', () => {
    const vanishing = Array.from({ length: 4 }, (_, index): Arrival => ({
      at: instant(index * 1e6),
      program: { programId: `gone-${index}`, programClass: 'c', turns: turns(1e9, () => 'person') },
    }));
    const { finished, meanJctSeconds, maxJctSeconds } = run([...honest(), ...vanishing]);
    expect(finished).toBe(60);
    expect(meanJctSeconds).toBeLessThan(1.25 * usual.meanJctSeconds);
    expect(maxJctSeconds).toBeLessThan(1.5 * usual.maxJctSeconds);
    const held = run([...honest(), ...vanishing], parsePolicy('infinite-pin'));
    expect(meanJctSeconds).toBeLessThan(held.meanJctSeconds);
  });

  it.each([4, 0.25])('by durations that are off by a factor of %j, loses less than a tenth', (factor) => {
    const { finished, meanJctSeconds } = run(honest(), misled(factor));
    expect(finished).toBe(60);
    expect(meanJctSeconds).toBeLessThan(1.1 * usual.meanJctSeconds);
  });

  it('by tools that it has never seen, loses less than a tenth', () => {
    const { finished, meanJctSeconds } = run(honest((program, turn) => `new-${program}-${turn}`));
    expect(finished).toBe(60);
    expect(meanJctSeconds).toBeLessThan(1.1 * usual.meanJctSeconds);
  });

  it.each([
    ['that they are tiny', 1],
    ['that they are huge', 1e9],
  ])('by every second program saying %s, lets all of them end, the last one not much later', (_, expectedTokens) => {
    const lying = honest().map((arrival, index): Arrival => {
      const { program, at } = arrival;
      return index % 2 === 0 ? arrival : { at, program, sizeHint: { expectedTurns: 1, expectedTokens } };
    });
    const { finished, maxJctSeconds } = run(lying);
    expect(finished).toBe(60);
    expect(maxJctSeconds).toBeLessThan(2 * usual.maxJctSeconds);
  });

  it('holds nothing any more once the last program has ended', () => {
    expect(usual.pinnedBlocks).toBe(0);
  });
});
