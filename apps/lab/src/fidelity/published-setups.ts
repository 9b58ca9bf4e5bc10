import { seconds, type Duration } from '@holdfast/scheduling';

/** What is printed of a workload (arXiv 2511.02230 v6, table 2): mean and standard deviation over programs. */
export interface PublishedWorkload {
  readonly name: string;
  readonly turns: readonly [mean: number, deviation: number];
  /** Of a program over all turns. */
  readonly tokens: readonly [mean: number, deviation: number];
  readonly toolSeconds: readonly [mean: number, deviation: number];
  readonly longestTool: Duration;
}

/** One set-up of figure 8: mean job delay in seconds by rate, read off the plots (about 1 % of full scale). */
export interface PublishedSetup {
  readonly workload: PublishedWorkload;
  readonly title: string;
  readonly engine: string;
  readonly jobsPerSecond: readonly number[];
  readonly vllm: readonly number[];
  readonly autellix: readonly number[];
  readonly continuum: readonly number[];
  /** Figure 16: ablation, at the first rates only. */
  readonly programFcfs?: readonly number[];
  readonly staticTtl?: readonly number[];
}

const SWE: PublishedWorkload = {
  name: 'SWE-bench',
  turns: [10.9, 2.1],
  tokens: [70_126, 19_732],
  toolSeconds: [0.925, 3.55],
  longestTool: seconds(60),
};

/** Lengths are those of the table times 0.4, as in the paper. */
const BFCL: PublishedWorkload = {
  name: 'BFCL web search',
  turns: [6.3, 2.3],
  tokens: [0.4 * 93_256, 0.4 * 68_687],
  toolSeconds: [1.923, 2.133],
  longestTool: seconds(60),
};

/** Those whose GPU and model have step times here. */
export const publishedSetups: readonly PublishedSetup[] = [
  {
    workload: SWE,
    title: 'SWE-bench, 8B, B200',
    engine: 'b200-llama-3.1-8b',
    jobsPerSecond: [0.03, 0.05, 0.07, 0.09, 0.11, 0.13],
    vllm: [150, 440, 1437, 1813, 1952, 2017],
    autellix: [151, 488, 2544, 3057, 3899, 3695],
    continuum: [154, 440, 859, 1058, 1175, 1215],
    programFcfs: [150, 436, 1164, 1444, 1637],
    staticTtl: [148, 423, 890, 1073, 1173],
  },
  {
    workload: SWE,
    title: 'SWE-bench, 8B, A100',
    engine: 'a100-llama-3.1-8b',
    jobsPerSecond: [0.01, 0.03, 0.05, 0.07, 0.09],
    vllm: [235, 3581, 4466, 4957, 5188],
    autellix: [235, 9250, 11534, 12078, 13257],
    continuum: [241, 2234, 2700, 3222, 3339],
  },
  {
    workload: SWE,
    title: 'SWE-bench, 70B, 4 x B200',
    engine: 'b200-llama-3.1-70b-tp4',
    jobsPerSecond: [0.03, 0.05, 0.07, 0.09, 0.11],
    vllm: [291, 1070, 2275, 2639, 2753],
    autellix: [282, 1169, 3499, 4577, 4805],
    continuum: [301, 813, 1269, 1538, 1630],
  },
  {
    workload: BFCL,
    title: 'BFCL, 8B, B200',
    engine: 'b200-llama-3.1-8b',
    jobsPerSecond: [0.5, 1, 2, 3, 5],
    vllm: [146, 236, 285, 299, 317],
    autellix: [138, 209, 256, 272, 293],
    continuum: [128, 186, 210, 215, 214],
    programFcfs: [145, 211, 253, 270],
    staticTtl: [130, 195, 219, 227],
  },
  {
    workload: BFCL,
    title: 'BFCL, 8B, A100',
    engine: 'a100-llama-3.1-8b',
    jobsPerSecond: [0.1, 0.2, 0.3, 0.5, 1, 2],
    vllm: [67, 375, 473, 545, 608, 647],
    autellix: [66, 339, 453, 549, 636, 660],
    continuum: [74, 268, 341, 421, 464, 490],
  },
  {
    workload: BFCL,
    title: 'BFCL, 70B, 4 x B200',
    engine: 'b200-llama-3.1-70b-tp4',
    jobsPerSecond: [0.5, 1, 2, 3, 5],
    vllm: [273, 346, 379, 397, 428],
    autellix: [261, 365, 372, 389, 413],
    continuum: [264, 316, 346, 358, 372],
  },
];
