import { createPool, engineProfile, planArrivals, policySetup, poolBlocks, simulate } from '@holdfast/simulation';
import { mean } from 'simple-statistics';
import { DISPATCH_WINDOW } from '../cells/pool-options.js';
import type { ProgressDisplay } from '../output/progress.js';
import { publishedSetups, type PublishedSetup } from './published-setups.js';
import { publishedPrograms } from './published-workload.js';

/** Chunk size of the paper's runs. */
const TOKEN_BUDGET = 2_048;
const MAX_RUNNING = 256;

/** The paper's systems and what stands for them here. */
export const SYSTEMS = {
  vllm: 'vllm-fcfs',
  autellix: 'autellix',
  programFcfs: 'program-fcfs',
  staticTtl: 'static-ttl:ttl=2s',
  continuum: 'continuum',
} as const;

export type System = keyof typeof SYSTEMS;
/** Inputs that are not printed, and how else they may be. */
const VARIANTS = [
  { title: 'half the output', outputFactor: 0.5, kvScale: 1 },
  { title: 'twice the output', outputFactor: 2, kvScale: 1 },
  { title: '0.75 x KV memory', outputFactor: 1, kvScale: 0.75 },
  { title: '1.5 x KV memory', outputFactor: 1, kvScale: 1.5 },
] as const;

/** Mean job delay, seconds, over seeds. */
type Delays = Readonly<Record<System, number>>;

/** One set-up run here. */
export interface PublishedResult {
  readonly setup: string;
  /** Output tokens of a turn that make vLLM at the lowest rate as slow as published. */
  readonly outputTokens: number;
  readonly points: readonly { readonly jobsPerSecond: number; readonly delaySeconds: Delays }[];
  /** vLLM's delay to Continuum's at the middle rate if an input were another. */
  readonly variants: readonly { readonly title: string; readonly ratio: number }[];
}

/** Runs the published set-ups and shows how far it is. */
export const measurePublished = (seeds: number, progress: ProgressDisplay): readonly PublishedResult[] => {
  progress.expect(publishedSetups.length);
  return publishedSetups.map((setup) => {
    const share = progress.begin(setup.title);
    const result = measureSetup(setup, seeds);
    share(1);
    return result;
  });
};

const measureSetup = (setup: PublishedSetup, seeds: number): PublishedResult => {
  const outputTokens = findOutputTokens(setup, seeds);
  const delaysAt = (jobsPerSecond: number): Delays =>
    Object.fromEntries(
      Object.entries(SYSTEMS).map(([system, policy]) => [
        system,
        delaySeconds(setup, { policy, jobsPerSecond, outputTokens, seeds, kvScale: 1 }),
      ]),
    ) as Record<System, number>;
  const variants = VARIANTS.map(({ title, outputFactor, kvScale }) => {
    const inputs = { jobsPerSecond: middleRate(setup), outputTokens: outputTokens * outputFactor, seeds, kvScale };
    const [vllm, continuum] = [SYSTEMS.vllm, SYSTEMS.continuum].map((policy) =>
      delaySeconds(setup, { ...inputs, policy }),
    ) as [number, number];
    return { title, ratio: vllm / continuum };
  });
  const points = setup.jobsPerSecond.map((jobsPerSecond) => ({ jobsPerSecond, delaySeconds: delaysAt(jobsPerSecond) }));
  return { setup: setup.title, outputTokens, points, variants };
};

/** Pure. */
export const middleRate = ({ jobsPerSecond }: PublishedSetup): number =>
  jobsPerSecond[Math.floor(jobsPerSecond.length / 2)]!;

interface Point {
  readonly policy: string;
  readonly jobsPerSecond: number;
  readonly outputTokens: number;
  readonly seeds: number;
  readonly kvScale: number;
}

const delaySeconds = (setup: PublishedSetup, point: Point): number => {
  const { policy, jobsPerSecond, outputTokens, seeds, kvScale } = point;
  const programs = publishedPrograms(setup.workload, outputTokens);
  const pool = {
    profile: engineProfile(setup.engine),
    engines: 1,
    kvScale,
    tokenBudget: TOKEN_BUDGET,
    maxRunningRequests: MAX_RUNNING,
  };
  const delays: number[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const arrivals = planArrivals({ programs, count: programs.length, ratePerSecond: jobsPerSecond, seed });
    simulate({
      profile: policySetup(policy).profileFor({ arrivals, profile: pool.profile, totalBlocks: poolBlocks(pool) }),
      engines: createPool(pool),
      arrivals,
      dispatchWindow: DISPATCH_WINDOW,
      observer: { programFinished: ({ arrivedAt, finishedAt }) => void delays.push((finishedAt - arrivedAt) / 1e6) },
    });
  }
  return mean(delays);
};

const HALVINGS = 8;
const OUTPUT_RANGE = [50, 6_000] as const;

/** The delay grows with the output, so halving the range finds it. */
const findOutputTokens = (setup: PublishedSetup, seeds: number): number => {
  const [jobsPerSecond] = setup.jobsPerSecond as readonly [number];
  let [low, high]: readonly [number, number] = OUTPUT_RANGE;
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = Math.sqrt(low * high);
    const point = { policy: SYSTEMS.vllm, jobsPerSecond, outputTokens: middle, seeds, kvScale: 1 };
    if (delaySeconds(setup, point) < setup.vllm[0]!) low = middle;
    else high = middle;
  }
  return Math.round(Math.sqrt(low * high));
};
