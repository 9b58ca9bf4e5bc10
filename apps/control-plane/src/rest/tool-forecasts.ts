/**
 * How well tool durations are forecast: the estimator of the policies, told the recorded calls one after the other and
 * asked before each (prequential scoring), so that no call is forecast by itself.
 */
import type { EndedToolCall } from '@holdfast/persistence';
import { ToolDurations, toSeconds, type DurationForecast } from '@holdfast/scheduling';
import { recordedTool } from '../statistics/recorded-tools.js';

/** What is known of a tool. */
export interface ToolScore {
  /** `tool` or `tool:command class`; empty for gaps in which no tool was reported. */
  readonly tool: string;
  readonly tenantId: string;
  readonly calls: number;
  readonly recordedSeconds: Quantiles;
  /** Of the next call. */
  readonly forecastSeconds: Quantiles;
  /** Share of calls whose median forecast was at most twice, and at least half, of what it took. */
  readonly shareWithinTwice: number;
  /** Share of calls between the forecast's 10th and 90th percentile; 0.8 is perfect. */
  readonly shareWithin80Percent: number;
}

/** Seconds. */
export interface Quantiles {
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

interface Running {
  readonly tenantId: string;
  readonly tool: string;
  readonly seconds: number[];
  within: number;
  covered: number;
  last: EndedToolCall;
}

/** Pure. Scores by tenant and tool, in the order of the tools' names. `calls` are in order of time. */
export const scoreTools = (calls: readonly EndedToolCall[]): readonly ToolScore[] => {
  const durations = new ToolDurations();
  const running = new Map<string, Running>();
  for (const call of calls) {
    const key = keyOf(call);
    const seconds = toSeconds(call.duration);
    const forecast = durations.predict(key, 0);
    const name = JSON.stringify([key.tool, call.tenantId]);
    const known = running.get(name) ?? {
      tenantId: call.tenantId,
      tool: key.tool,
      seconds: [],
      within: 0,
      covered: 0,
      last: call,
    };
    running.set(name, known);
    const median = forecast.quantile(0.5);
    known.seconds.push(seconds);
    known.within += seconds <= 2 * median && seconds >= median / 2 ? 1 : 0;
    known.covered += seconds >= forecast.quantile(0.1) && seconds <= forecast.quantile(0.9) ? 1 : 0;
    known.last = call;
    durations.observe(key, { fromSeconds: 0, toSeconds: seconds, isOver: true });
  }
  return [...running.values()]
    .map((one) => scoreOf(one, durations.predict(keyOf(one.last), 0)))
    .sort((a, b) => compare(a.tool, b.tool) || compare(a.tenantId, b.tenantId));
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const scoreOf = ({ tenantId, tool, seconds, within, covered }: Running, forecast: DurationForecast): ToolScore => {
  const sorted = seconds.toSorted((a, b) => a - b);
  return {
    tool,
    tenantId,
    calls: seconds.length,
    recordedSeconds: quantiles((share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0),
    forecastSeconds: quantiles((share) => forecast.quantile(share)),
    shareWithinTwice: within / seconds.length,
    shareWithin80Percent: covered / seconds.length,
  };
};

const quantiles = (at: (share: number) => number): Quantiles => ({
  p10: at(0.1),
  p50: at(0.5),
  p90: at(0.9),
  p99: at(0.99),
});

const keyOf = (call: EndedToolCall): Parameters<ToolDurations['predict']>[0] => ({
  tenantId: call.tenantId,
  programClass: call.programClass,
  programId: call.programId,
  tool: recordedTool(call),
});
