import { join } from 'node:path';
import type { StepTimeCoefficients } from '@holdfast/simulation';
import { engineRuns, type EngineRun } from './engine-runs.js';
import { fitStepTimes } from './fit-step-times.js';
import { latenciesOf, type Latencies, type LatencyName } from './latencies.js';
import { latencyErrors, type LatencyError } from './latency-errors.js';
import { markdownTable, perCent, signedPerCent } from './markdown.js';
import { readRecordedRequests } from './recorded-requests.js';
import { simulateRequests } from './simulate-requests.js';

/** Median per-request errors that the model is to keep. */
const TARGETS: Readonly<Record<LatencyName, number>> = { ttft: 0.25, interToken: 0.15, endToEnd: 0.15 };
const TITLES: Readonly<Record<LatencyName, string>> = {
  ttft: 'TTFT',
  interToken: 'inter-token time',
  endToEnd: 'end to end',
};

/** One run replayed, judged on requests that nothing was fitted on. */
export interface EngineResult {
  readonly run: string;
  readonly fittedRequests: number;
  readonly judgedRequests: number;
  readonly stepTime: StepTimeCoefficients;
  readonly errors: Readonly<Record<LatencyName, LatencyError>>;
}

/** Replays the recorded runs of real engines. Throws a UsageError when a file is missing or bad. */
export const measureEngines = (folder: string): readonly EngineResult[] =>
  engineRuns.map((run) => measureRun(run, join(folder, `${run.name}.requests.jsonl`)));

const measureRun = (run: EngineRun, file: string): EngineResult => {
  const requests = readRecordedRequests(file);
  const measured = requests.map((request) => latenciesOf(request, request));
  const simulate = (stepTime: StepTimeCoefficients): readonly Latencies[] => simulateRequests(requests, run, stepTime);
  const seen = run.fittedRequests;
  const stepTime = seen === 0 ? run.stepTime : fitStepTimes(run.stepTime, measured.slice(0, seen), simulate);
  return {
    run: run.name,
    fittedRequests: seen,
    judgedRequests: requests.length - seen,
    stepTime,
    errors: latencyErrors(measured.slice(seen), simulate(stepTime).slice(seen)),
  };
};

const INTRODUCTION = `## Engines: three runs of a real vLLM

Each run is 300 ShareGPT requests at 10/s on vLLM 0.19, published request by request (origin and licence:
\`apps/lab/data/engine-calibration\`). The engine model gets the arrivals and lengths of a run and nothing else, without a
scheduler in front. An error is modelled to measured latency, less 1, of the same request. At this rate requests come faster
than any of the three engines serves them, so most of a TTFT is waiting for a place among the running sequences.

The step times of the first run come from kernel tables, and nothing is fitted. For the other two there are no tables: a
factor on each of five coefficients is fitted on what the first 100 requests took, and the model is judged on the other 200.`;

/** Pure. The part of the document. */
export const engineMarkdown = (results: readonly EngineResult[]): string => {
  const medians = markdownTable(['run', 'fitted on', 'judged on', ...LATENCY_COLUMNS], results.flatMap(medianRows));
  const percentiles = markdownTable(
    ['run', 'latency', 'percentile', 'measured ms', 'modelled ms', 'error'],
    results.flatMap(percentileRows),
  );
  const factors = results.filter(({ fittedRequests }) => fittedRequests > 0).map(describeFit);
  return [
    INTRODUCTION,
    medians,
    'Percentiles over the judged requests:',
    percentiles,
    verdict(results),
    ...factors,
  ].join('\n\n');
};

const titleOf = (name: string): string => engineRuns.find((run) => run.name === name)!.title;

const namesOf = (errors: EngineResult['errors']): readonly LatencyName[] => Object.keys(errors) as LatencyName[];

const medianRows = ({ run, fittedRequests, judgedRequests, errors }: EngineResult): string[][] =>
  latencyRows(errors).map((row) => [
    titleOf(run),
    fittedRequests === 0 ? 'nothing' : `first ${fittedRequests}`,
    String(judgedRequests),
    ...row,
  ]);

/** Of {@link latencyRows}. */
export const LATENCY_COLUMNS = ['latency', 'median error', '90 % within', 'signed', 'target', 'met'] as const;

/** Pure. A row for each latency. */
export const latencyRows = (errors: EngineResult['errors']): readonly (readonly string[])[] =>
  namesOf(errors).map((name) => {
    const { medianPerRequest, p90PerRequest, medianSigned } = errors[name];
    return [
      TITLES[name],
      perCent(medianPerRequest),
      perCent(p90PerRequest),
      signedPerCent(medianSigned),
      perCent(TARGETS[name]),
      medianPerRequest <= TARGETS[name] ? 'yes' : 'no',
    ];
  });

const percentileRows = ({ run, errors }: EngineResult): string[][] =>
  namesOf(errors).flatMap((name) =>
    errors[name].percentiles.map(({ percentile, measuredMicros, modelledMicros }) => [
      titleOf(run),
      TITLES[name],
      `P${percentile}`,
      (measuredMicros / 1e3).toFixed(1),
      (modelledMicros / 1e3).toFixed(1),
      signedPerCent(modelledMicros / measuredMicros - 1),
    ]),
  );

const verdict = (results: readonly EngineResult[]): string => {
  const misses = results.flatMap(({ run, errors }) =>
    namesOf(errors)
      .filter((name) => errors[name].medianPerRequest > TARGETS[name])
      .map((name) => `${TITLES[name]} of ${titleOf(run)}`),
  );
  return misses.length === 0 ? 'Every target is met.' : `Missed: ${misses.join('; ')}.`;
};

const describeFit = ({ run, stepTime }: EngineResult): string => {
  const { title, stepTimesOf, stepTime: start } = engineRuns.find(({ name }) => name === run)!;
  const factor = (name: keyof StepTimeCoefficients): string => (stepTime[name] / start[name]).toFixed(2);
  return (
    `${title}, factors on the coefficients of \`${stepTimesOf}\`: base ${factor('baseMicros')}, prefill token ` +
    `${factor('perPrefillTokenMicros')}, decoding sequence ${factor('perDecodeSequenceMicros')}, context token ` +
    `${factor('perContextTokenMicros')}, prefill pair ${factor('perPrefillPairMicros')}.`
  );
};
