import { createPool, engineProfile, planBacklog, policySetup, poolBlocks, simulate } from '@holdfast/simulation';
import { mean as meanOf, quantileSorted } from 'simple-statistics';
import { DISPATCH_WINDOW } from '../cells/pool-options.js';
import { markdownTable, signedPerCent } from './markdown.js';
import { publishedSetups } from './published-setups.js';
import { publishedPrograms } from './published-workload.js';

/** What is known of a run from its durations, in seconds. */
interface Durations {
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
  /** Until the last program ends. */
  readonly makespan: number;
}

/**
 * The authors' own run, the only one whose durations are published: 500 tasks of SWE-bench Verified, Llama-3.1-70B on four
 * H100, `continuum_exp/swebench_llama70B_{vllm,continuum}/results.json` of github.com/Weili-0234/vllm-continuum @0767a4b.
 */
const PUBLISHED = {
  vllm: { mean: 465.23, median: 420.41, p95: 928.5, makespan: 3_782.5 },
  continuum: { mean: 215.5, median: 180.7, p95: 492.29, makespan: 2_345.8 },
} as const satisfies Readonly<Record<string, Durations>>;

/** Turns and tool times of the paper's traces. The run had other programs: those of its own model, of which nothing is known. */
const WORKLOAD = publishedSetups[0]!.workload;
const PROGRAMS = 500;
/** Workers of the public client: its default, and what mean duration, tasks and makespan of the vLLM run come to. */
const PROGRAMS_AT_ONCE = 64;
const ENGINE = 'h100-llama-3.1-70b-tp4';
const POLICIES = { vllm: 'vllm-fcfs', continuum: 'continuum-public' } as const;
/** Output tokens of a turn: not known, so several. */
const OUTPUT_TOKENS = [50, 100, 200, 400] as const;
const TOKEN_BUDGET = 2_048;
const MAX_RUNNING = 256;

/** The run here, with one length of output. */
export interface PublishedRunResult {
  readonly outputTokens: number;
  /** Mean tokens of a program that make the mean of vLLM as published. */
  readonly programTokens: number;
  readonly vllm: Durations;
  readonly continuum: Durations;
}

/** Pure. Runs it with programs so long that vLLM takes as long as published. */
export const measurePublishedRun = (): readonly PublishedRunResult[] =>
  OUTPUT_TOKENS.map((outputTokens) => {
    const tokensFactor = findTokensFactor(outputTokens);
    const [vllm, continuum] = [POLICIES.vllm, POLICIES.continuum].map((policy) =>
      durationsOf({ policy, outputTokens, tokensFactor }),
    ) as [Durations, Durations];
    return { outputTokens, programTokens: Math.round(tokensFactor * WORKLOAD.tokens[0]), vllm, continuum };
  });

interface RunInputs {
  readonly policy: string;
  readonly outputTokens: number;
  /** Of the tokens that the paper's traces have. */
  readonly tokensFactor: number;
}

const durationsOf = ({ policy, outputTokens, tokensFactor }: RunInputs): Durations => {
  const pool = {
    profile: engineProfile(ENGINE),
    engines: 1,
    kvScale: 1,
    tokenBudget: TOKEN_BUDGET,
    maxRunningRequests: MAX_RUNNING,
  };
  const [mean, deviation] = WORKLOAD.tokens;
  const tokens = [mean * tokensFactor, deviation * tokensFactor] as const;
  const programs = publishedPrograms({ ...WORKLOAD, tokens }, outputTokens);
  const arrivals = planBacklog({ programs, count: PROGRAMS, seed: 1 });
  const durations: number[] = [];
  const { endedAt } = simulate({
    profile: policySetup(policy).profileFor({ arrivals, profile: pool.profile, totalBlocks: poolBlocks(pool) }),
    engines: createPool(pool),
    arrivals,
    programsAtOnce: PROGRAMS_AT_ONCE,
    dispatchWindow: DISPATCH_WINDOW,
    observer: { programFinished: ({ arrivedAt, finishedAt }) => void durations.push((finishedAt - arrivedAt) / 1e6) },
  });
  durations.sort((a, b) => a - b);
  return {
    mean: meanOf(durations),
    median: quantileSorted(durations, 0.5),
    p95: quantileSorted(durations, 0.95),
    makespan: endedAt / 1e6,
  };
};

const HALVINGS = 8;
const FACTORS = [0.05, 2] as const;

/** Durations grow with the tokens, so halving the range finds it. */
const findTokensFactor = (outputTokens: number): number => {
  let [low, high]: readonly [number, number] = FACTORS;
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const tokensFactor = Math.sqrt(low * high);
    const here = durationsOf({ policy: POLICIES.vllm, outputTokens, tokensFactor });
    if (here.mean < PUBLISHED.vllm.mean) low = tokensFactor;
    else high = tokensFactor;
  }
  return Math.sqrt(low * high);
};

const INTRODUCTION = `## The run of Continuum's authors

The only one whose durations are published (origin: \`apps/lab/src/fidelity/published-run.ts\`): ${PROGRAMS} tasks of SWE-bench
Verified by agents of Llama-3.1-70B on four H100, plain vLLM and then the public code of Continuum (\`continuum-public\`, the
rule of 2 s). Its programs are not: agents ran, no trace was replayed. So here are turns and tool times of the paper's
traces, ${PROGRAMS_AT_ONCE} programs at a time, outputs of several lengths, and programs so long that the mean of \`vllm-fcfs\` is as published.`;

const EXPLANATION = `With outputs of up to 200 tokens, the other figures of vLLM come out within 10 % of the published, and Continuum wins, with the
largest gain at P95. Its gain in the mean and in the median is smaller here; a wider spread of turns (deviations of 5 and 8
instead of 2.1) does not change that. Two things of that run are not modelled: agents that answered differently in its two
arms, and a client that gives a call up after 900 s and sends it again, where the P99 of both arms lies. Not explained
beyond that.`;

/** Pure. The part of the document. */
export const publishedRunMarkdown = (results: readonly PublishedRunResult[]): string => {
  const ratio = (name: keyof Durations, of: Pick<PublishedRunResult, 'vllm' | 'continuum'>): number =>
    of.vllm[name] / of.continuum[name];
  const row = (name: keyof Durations, title: string): string[] => [
    title,
    ratio(name, PUBLISHED).toFixed(2),
    ...results.map((result) => {
      const here = ratio(name, result);
      return `${here.toFixed(2)} (${signedPerCent(here / ratio(name, PUBLISHED) - 1)})`;
    }),
  ];
  return [
    INTRODUCTION,
    markdownTable(
      ['vLLM to Continuum', 'published', ...results.map(({ outputTokens }) => `here, ${outputTokens} output tokens`)],
      [row('mean', 'mean'), row('median', 'median'), row('p95', 'P95'), row('makespan', 'makespan')],
    ),
    'Of vLLM alone, seconds:',
    markdownTable(
      ['vLLM', 'published', ...results.map(({ outputTokens }) => `here, ${outputTokens} output tokens`)],
      (['mean', 'median', 'p95', 'makespan'] as const).map((name) => [
        name === 'p95' ? 'P95' : name,
        ...[PUBLISHED.vllm, ...results.map(({ vllm }) => vllm)].map((durations) => durations[name].toFixed(0)),
      ]),
    ),
    `Tokens of a program that make the mean of \`vllm-fcfs\` ${PUBLISHED.vllm.mean} s: ` +
      `${results.map(({ outputTokens, programTokens }) => `${programTokens} with ${outputTokens} output tokens a turn`).join(', ')}.`,
    EXPLANATION,
  ].join('\n\n');
};
