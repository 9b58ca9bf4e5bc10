import type { StepTimeCoefficients } from '@holdfast/simulation';
import { latencyNames, type Latencies } from './latencies.js';

const COEFFICIENTS = [
  'baseMicros',
  'perPrefillTokenMicros',
  'perDecodeSequenceMicros',
  'perContextTokenMicros',
  'perPrefillPairMicros',
] as const satisfies readonly (keyof StepTimeCoefficients)[];

/** Natural logarithms of factors: the first stride is one and a half times up or down, the last one 1 %. */
const FIRST_STRIDE = 0.4;
const LAST_STRIDE = 0.01;

/**
 * Pure. Step times that reproduce latencies best: a factor on each coefficient, found by pattern search (Hooke and Jeeves,
 * one coefficient at a time, the stride halved when no move helps). What counts is the mean absolute logarithm of
 * modelled to measured latency over requests and latencies.
 */
export const fitStepTimes = (
  start: StepTimeCoefficients,
  measured: readonly Latencies[],
  simulate: (stepTime: StepTimeCoefficients) => readonly Latencies[],
): StepTimeCoefficients => {
  const scaled = (logs: readonly number[]): StepTimeCoefficients => ({
    ...start,
    ...Object.fromEntries(COEFFICIENTS.map((name, index) => [name, start[name] * Math.exp(logs[index]!)])),
  });
  const lossOf = (logs: readonly number[]): number => loss(measured, simulate(scaled(logs)));
  let best = COEFFICIENTS.map(() => 0);
  let least = lossOf(best);
  for (let stride = FIRST_STRIDE; stride >= LAST_STRIDE;) {
    const moves = best.flatMap((_, index) =>
      [stride, -stride].map((by) => best.map((log, other) => (other === index ? log + by : log))),
    );
    const better = moves.find((move) => lossOf(move) < least);
    if (better === undefined) {
      stride /= 2;
      continue;
    }
    best = better;
    least = lossOf(best);
  }
  return scaled(best);
};

const loss = (measured: readonly Latencies[], modelled: readonly Latencies[]): number => {
  let sum = 0;
  for (const [index, real] of measured.entries()) {
    for (const name of latencyNames) sum += Math.abs(Math.log(modelled[index]![name] / real[name]));
  }
  return sum / (measured.length * latencyNames.length);
};
