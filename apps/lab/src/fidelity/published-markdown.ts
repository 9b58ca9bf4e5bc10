import { markdownTable, signedPerCent } from './markdown.js';
import { middleRate, SYSTEMS, type PublishedResult, type System } from './published-part.js';
import { publishedSetups, type PublishedSetup } from './published-setups.js';

const RIVALS = ['vllm', 'autellix', 'programFcfs', 'staticTtl'] as const satisfies readonly System[];

const introduction = (results: readonly PublishedResult[], seeds: number): string => `## Continuum's published set-ups

Figures 8 and 16 of arXiv 2511.02230 v6: mean job delay without CPU offload, read off the plots (about 1 % of full scale).
Of the inputs, table 2 prints means and deviations of turns, tokens and tool times; the traces are not public. So 100
programs are drawn with these moments, the tokens of each spread evenly over its turns, with ${seeds} seeds of Poisson arrivals.
How many tokens are output is not printed: that one number is set for each set-up so that \`vllm-fcfs\` at the lowest rate
is as slow as published. Nothing else is fitted.

${markdownTable(
  ['set-up', 'engine', 'output tokens a turn'],
  results.map(({ setup, outputTokens }) => [setup, setupOf(setup).engine, String(outputTokens)]),
)}

Mean delay of each rival relative to Continuum's: here / published (deviation).`;

const LESSONS = `What agrees: at rates that the engine keeps up with, nobody wins; beyond, Continuum beats \`vllm-fcfs\` and
\`program-fcfs\`, in this order; and a constant pin of 2 s is about as good as Continuum, as in figure 16.

What does not:

- **One workload, three output lengths.** The paper replays the same programs on every engine, but the output that explains
  its delay at the lowest rate differs by engine: more on B200 than on A100. So the step times here are too short on B200
  or too long on A100. They are those of kernels, without the work of a CPU between steps, which weighs most on the
  fastest engine; more output makes up for it while decoding and not in prefills. That lets the B200 keep up here
  at rates at which the published one does not (the ratio is still 1.00 where theirs has risen), and leaves too little
  decoding on A100, where the prefills that Continuum saves then weigh too much.
- **What is not printed moves the ratio as much.** The last table has the ratio of \`vllm-fcfs\` at the middle rate, were
  one input different. Longer outputs on A100 move it towards the published one, as do less memory and other outputs on B200;
  no single one of them closes the gap on A100 or for SWE-bench on B200.
- **Autellix** is published far slower than vLLM on SWE-bench. Here its order, least attained service first, costs little
  against FCFS by turn. The paper measured an implementation of its own that is not public: not explained.

So take from the lab which policy wins, on which side of the knee, and why; not the second digit of a published ratio.`;

/** Pure. The part of the document. */
export const publishedMarkdown = (results: readonly PublishedResult[], seeds: number): string =>
  [introduction(results, seeds), ratioTable(results), LESSONS, variantTable(results)].join('\n\n');

const setupOf = (title: string): PublishedSetup => publishedSetups.find((setup) => setup.title === title)!;

/** Published delay of a rival to Continuum's, where it is published. */
const publishedRatio = (setup: PublishedSetup, rival: (typeof RIVALS)[number], index: number): number | undefined => {
  const theirs = setup[rival]?.[index];
  return theirs === undefined ? undefined : theirs / setup.continuum[index]!;
};

const ratioTable = (results: readonly PublishedResult[]): string =>
  markdownTable(
    ['set-up', 'jobs/s', ...RIVALS.map((rival) => `\`${SYSTEMS[rival]}\``)],
    results.flatMap(({ setup, points }) =>
      points.map(({ jobsPerSecond, delaySeconds }, index) => [
        setup,
        String(jobsPerSecond),
        ...RIVALS.map((rival) => {
          const here = delaySeconds[rival] / delaySeconds.continuum;
          const theirs = publishedRatio(setupOf(setup), rival, index);
          if (theirs === undefined) return here.toFixed(2);
          return `${here.toFixed(2)} / ${theirs.toFixed(2)} (${signedPerCent(here / theirs - 1)})`;
        }),
      ]),
    ),
  );

const variantTable = (results: readonly PublishedResult[]): string =>
  markdownTable(
    ['set-up', 'jobs/s', 'published', 'as above', ...(results[0]?.variants ?? []).map(({ title }) => title)],
    results.map(({ setup: title, points, variants }) => {
      const setup = setupOf(title);
      const index = setup.jobsPerSecond.indexOf(middleRate(setup));
      const { vllm, continuum } = points[index]!.delaySeconds;
      const ratios = [publishedRatio(setup, 'vllm', index)!, vllm / continuum, ...variants.map(({ ratio }) => ratio)];
      return [title, String(middleRate(setup)), ...ratios.map((ratio) => ratio.toFixed(2))];
    }),
  );
