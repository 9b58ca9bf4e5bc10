import { quantileSorted } from 'simple-statistics';
import { latencyNames, type Latencies, type LatencyName } from './latencies.js';

const PERCENTILES = [50, 90, 95, 99] as const;

/** How far a modelled latency is from the measured one. Shares: 0.1 is 10 %. */
export interface LatencyError {
  /** Median over requests of the absolute relative error. */
  readonly medianPerRequest: number;
  /** 90 % of requests are closer. */
  readonly p90PerRequest: number;
  /** Median over requests of the signed relative error: above 0, the model is too slow. */
  readonly medianSigned: number;
  readonly percentiles: readonly {
    readonly percentile: (typeof PERCENTILES)[number];
    readonly measuredMicros: number;
    readonly modelledMicros: number;
  }[];
}

/** Pure. Errors over the same requests in the same order. */
export const latencyErrors = (
  measured: readonly Latencies[],
  modelled: readonly Latencies[],
): Readonly<Record<LatencyName, LatencyError>> =>
  Object.fromEntries(
    latencyNames.map((name) => [
      name,
      errorOf(
        measured.map((latencies) => latencies[name]),
        modelled.map((latencies) => latencies[name]),
      ),
    ]),
  ) as Record<LatencyName, LatencyError>;

const errorOf = (measured: readonly number[], modelled: readonly number[]): LatencyError => {
  const signed = sorted(modelled.map((micros, index) => micros / measured[index]! - 1));
  const absolute = sorted(signed.map(Math.abs));
  const [real, model] = [sorted(measured), sorted(modelled)];
  return {
    medianPerRequest: quantileSorted(absolute, 0.5),
    p90PerRequest: quantileSorted(absolute, 0.9),
    medianSigned: quantileSorted(signed, 0.5),
    percentiles: PERCENTILES.map((percentile) => ({
      percentile,
      measuredMicros: quantileSorted(real, percentile / 100),
      modelledMicros: quantileSorted(model, percentile / 100),
    })),
  };
};

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
