import { distributionOf, type Distribution } from '@holdfast/simulation';
import type { ReplayedProgram } from '../replay/replay-program.js';
import type { PinCounts, PinTotals } from './pin-ledger.js';

/** One policy on one workload: a row of `holdfast.lab.summary/v1`. All times are model time. */
export interface SummaryRow {
  readonly trace: string;
  readonly engine: string;
  readonly engines: number;
  readonly policy: string;
  /** Arrival rate, in units of the throughput with a backlog and pins that last. */
  readonly load: number;
  readonly seed: number;
  readonly programs: number;
  readonly finished: number;
  readonly jctSeconds: Distribution;
  readonly ttftSeconds: Distribution;
  readonly queueWaitSeconds: Distribution;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly recomputedTokens: number;
  readonly outputTokens: number;
  readonly preemptions: number;
  readonly pins: PinCounts;
  readonly pinnedByteSeconds: { readonly used: number; readonly wasted: number };
  readonly turnsPerSecond: number;
  /** Model seconds per real second of the run. */
  readonly timeScale: number;
  /** What this machine took between the turns and tools of a program, in the mean, times the scale. Not in `jctSeconds`. */
  readonly overheadSeconds: number;
}

/** The document that `--json` writes. */
export interface Summary {
  readonly schema: 'holdfast.lab.summary/v1';
  readonly rows: readonly SummaryRow[];
}

/** What was measured, and where. */
export interface RunMeasurement extends Pick<
  SummaryRow,
  'trace' | 'engine' | 'engines' | 'policy' | 'load' | 'seed' | 'programs' | 'timeScale'
> {
  readonly replayed: readonly ReplayedProgram[];
  /** One of each engine. */
  readonly pins: readonly PinTotals[];
  readonly preemptions: number;
  readonly kvBytesPerToken: number;
}

/** Pure. */
export const summarise = (run: RunMeasurement): SummaryRow => {
  const { replayed, pins, kvBytesPerToken, preemptions, timeScale, ...facts } = run;
  const turns = replayed.flatMap((program) => program.turns);
  const sum = (pick: (program: ReplayedProgram) => number): number => total(replayed.map(pick));
  const pinSum = (pick: (totals: PinTotals) => number): number => total(pins.map(pick));
  return {
    ...facts,
    finished: replayed.filter(({ info }) => info.state === 'completed').length,
    jctSeconds: distributionOf(replayed.map(jctSeconds)),
    ttftSeconds: distributionOf(turns.map(({ timeToFirstTokenMs }) => timeToFirstTokenMs / 1_000)),
    queueWaitSeconds: distributionOf(turns.map(({ queueWaitMs }) => queueWaitMs / 1_000)),
    promptTokens: sum(({ info }) => info.promptTokens),
    cachedTokens: sum(({ info }) => info.cachedTokens),
    recomputedTokens: sum(({ info }) => info.recomputedTokens),
    outputTokens: sum(({ info }) => info.outputTokens),
    preemptions,
    pins: {
      set: pinSum(({ set }) => set),
      hit: pinSum(({ hit }) => hit),
      expired: pinSum(({ expired }) => expired),
      revoked: pinSum(({ revoked }) => revoked),
    },
    pinnedByteSeconds: {
      used: Math.round(pinSum(({ usedTokenSeconds }) => usedTokenSeconds) * kvBytesPerToken),
      wasted: Math.round(pinSum(({ wastedTokenSeconds }) => wastedTokenSeconds) * kvBytesPerToken),
    },
    turnsPerSecond: turnsPerSecond(replayed),
    timeScale,
    overheadSeconds: distributionOf(replayed.map(overheadSeconds)).mean,
  };
};

/**
 * Turns as the service measured them, submission to end, and tools as planned. What passes between them belongs to this
 * machine, not to the system that is modelled, and would count `timeScale` times: it is a figure of its own.
 */
const jctSeconds = ({ turns, gapSeconds }: ReplayedProgram): number =>
  total(turns.map(({ durationMs }) => durationMs)) / 1_000 + gapSeconds;

const overheadSeconds = (program: ReplayedProgram): number => {
  const { startedAt, endedAt = startedAt } = program.info;
  return Math.max(0, (endedAt.getTime() - startedAt.getTime()) / 1_000 - jctSeconds(program));
};

const turnsPerSecond = (replayed: readonly ReplayedProgram[]): number => {
  const starts = replayed.map(({ info }) => info.startedAt.getTime());
  const ends = replayed.map(({ info }) => (info.endedAt ?? info.startedAt).getTime());
  const spanSeconds = (Math.max(...ends) - Math.min(...starts)) / 1_000;
  return spanSeconds > 0 ? total(replayed.map(({ turns }) => turns.length)) / spanSeconds : 0;
};

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
