import { describe, expect, it } from '@jest/globals';
import { instant, policyNames, seconds } from '@holdfast/scheduling';
import { createPool, poolBlocks } from '../lab/pool.js';
import { simulate } from '../lab/simulate.js';
import type { Arrival, RecordedProgram } from '../lab/workload.js';
import { engineProfile } from '../profiles/engine-profile.js';
import { boundNames, policySetup } from './policy-setup.js';

/** Programs of some turns of 2,000 new tokens each, with tools of two seconds. */
const program = (programId: string, turns: number): RecordedProgram => ({
  programId,
  programClass: 'c',
  turns: Array.from({ length: turns }, (_, index) => ({
    promptTokens: 2_000 * (index + 1) + 20 * index,
    sharedTokens: 2_020 * index,
    outputTokens: 20,
    tool: 'bash',
    gap: seconds(index === turns - 1 ? 0 : 2),
  })),
});

interface Outcome {
  readonly jctSeconds: ReadonlyMap<string, number>;
  readonly recomputedTokens: number;
  readonly order: readonly string[];
}

/** One engine whose KV pool holds two and a half of these programs at their end. */
const run = (spec: string, programs: readonly RecordedProgram[]): Outcome => {
  const planned = programs.map((one, index): Arrival => ({ program: one, at: instant(index) }));
  const setup = policySetup(spec);
  const arrivals = setup.arrange(planned);
  const profile = engineProfile('h100-llama-3.1-8b');
  const kvScale = setup.memory === 'infinite' ? 1e9 : 1_600 / profile.totalBlocks;
  const pool = { profile, engines: 1, kvScale, tokenBudget: 2_048, maxRunningRequests: 8 };
  const jctSeconds = new Map<string, number>();
  let recomputedTokens = 0;
  simulate({
    profile: setup.profileFor({ arrivals, profile, totalBlocks: poolBlocks(pool) }),
    engines: createPool(pool),
    arrivals,
    dispatchWindow: 4,
    observer: {
      turnFinished: (turn) => {
        recomputedTokens += turn.recomputedTokens;
      },
      programFinished: ({ programId, arrivedAt, finishedAt }) => {
        jctSeconds.set(programId, (finishedAt - arrivedAt) / 1e6);
      },
    },
  });
  return { jctSeconds, recomputedTokens, order: [...jctSeconds.keys()] };
};

const mean = ({ jctSeconds }: Outcome): number =>
  [...jctSeconds.values()].reduce((sum, seconds_) => sum + seconds_, 0) / jctSeconds.size;

const crowd = Array.from({ length: 8 }, (_, index) => program(`p${index}`, 5));

describe('bounds of the lab', () => {
  it('let every program finish, as every policy does', () => {
    const specs = [...policyNames(), ...boundNames()].map(({ name }) => name);
    for (const spec of specs) expect([spec, run(spec, crowd).jctSeconds.size]).toEqual([spec, 8]);
  });

  it('infinite-kv computes nothing twice but what lies in no full block', () => {
    const turns = crowd.length * 5;
    expect(run('infinite-kv', crowd).recomputedTokens).toBeLessThan(turns * 16);
    expect(run('vllm-fcfs', crowd).recomputedTokens).toBeGreaterThan(turns * 16);
  });

  it('alone gives every program the time it takes by itself', () => {
    const { jctSeconds } = run('alone', crowd);
    const [[, single]] = [...run('program-fcfs', [crowd[0]!]).jctSeconds] as [[string, number]];
    for (const value of jctSeconds.values()) expect(value).toBeCloseTo(single, 5);
  });

  it('clairvoyant lets the short program, which came last, overtake the long ones', () => {
    const programs = [program('long1', 6), program('long2', 6), program('long3', 6), program('short', 1)];
    expect(run('clairvoyant', programs).order[0]).toBe('short');
  });

  it('clairvoyant and alone are at least as good as what knows less', () => {
    const fcfs = mean(run('program-fcfs', crowd));
    const clairvoyant = mean(run('clairvoyant', crowd));
    expect(clairvoyant).toBeLessThanOrEqual(fcfs);
    expect(mean(run('alone', crowd))).toBeLessThanOrEqual(clairvoyant);
  });

  it('belady recomputes no more than least recently used', () => {
    expect(run('belady', crowd).recomputedTokens).toBeLessThanOrEqual(run('program-fcfs', crowd).recomputedTokens);
  });

  it('takes no parameters, and says what is known', () => {
    expect(() => policySetup('clairvoyant:x=1')).toThrow('clairvoyant');
    expect(() => policySetup('nonsense')).toThrow('known are');
  });
});
