import {
  distributionOf,
  type Arrival,
  type FinishedTurnRecord,
  type ProgramRecord,
  type SimulationResult,
} from '@holdfast/simulation';
import type { CellJob, CellResult } from '../cells/job.js';
import type { CloseUpRecorder } from './close-up.js';
import { percentilesOf, rounded } from './percentiles.js';
import type { PerfettoFile } from './perfetto-file.js';
import { PinLedger } from './pin-ledger.js';
import type { SummaryRow } from './summary-row.js';

interface CloserLooks {
  readonly closeUp: CloseUpRecorder | null;
  readonly perfetto: PerfettoFile | null;
}

interface Run {
  readonly result: SimulationResult;
  readonly kvBytesPerToken: number;
  /** Of all engines. */
  readonly poolTokens: number;
}

/** Gathers the figures of one cell while it runs. */
export class CellRecorder {
  readonly pins: PinLedger;
  readonly closeUp: CloseUpRecorder | null;
  readonly #perfetto: PerfettoFile | null;
  readonly #placeOf: ReadonlyMap<string, number>;
  readonly #leftOut: ReadonlySet<string>;
  readonly #jctSeconds: number[];
  readonly #ttftSeconds: number[] = [];
  readonly #queueWaitSeconds: number[] = [];
  readonly #tokens = { prompt: 0, cached: 0, recomputed: 0, output: 0 };
  #finishedPrograms = 0;

  constructor(
    private readonly arrivals: readonly Arrival[],
    { closeUp, perfetto }: CloserLooks,
  ) {
    this.closeUp = closeUp;
    this.#perfetto = perfetto;
    this.#placeOf = new Map(arrivals.map(({ program }, index) => [program.programId, index]));
    this.#leftOut = new Set(arrivals.flatMap(({ program, isLeftOut }) => (isLeftOut ? [program.programId] : [])));
    this.#jctSeconds = new Array<number>(arrivals.length).fill(NaN);
    const looks = closeUp === null && perfetto === null ? [] : [closeUp, perfetto];
    this.pins = new PinLedger(looks.length === 0 ? undefined : (span) => looks.forEach((look) => look?.pin(span)));
  }

  /** Pure. */
  get finishedPrograms(): number {
    return this.#finishedPrograms;
  }

  /** Modifies state. */
  turn(turn: FinishedTurnRecord): void {
    if (!this.#leftOut.has(turn.programId)) {
      this.#ttftSeconds.push((turn.startedAt - turn.submittedAt) / 1e6);
      this.#queueWaitSeconds.push((turn.dispatchedAt - turn.submittedAt) / 1e6);
    }
    this.#tokens.prompt += turn.promptTokens;
    this.#tokens.cached += turn.cachedTokens;
    this.#tokens.recomputed += turn.recomputedTokens;
    this.#tokens.output += turn.outputTokens;
    this.closeUp?.turn(turn);
    this.#perfetto?.turn(turn);
  }

  /** Modifies state. */
  program({ programId, arrivedAt, finishedAt }: ProgramRecord): void {
    this.#finishedPrograms += 1;
    if (this.#leftOut.has(programId)) return;
    this.#jctSeconds[this.#placeOf.get(programId)!] = (finishedAt - arrivedAt) / 1e6;
  }

  /** Pure. The cell's figures. */
  finish(job: CellJob, { result, kvBytesPerToken, poolTokens }: Run): CellResult {
    const { trace, pool, policy, load, seed } = job;
    const jctSeconds = this.#jctSeconds.filter((seconds) => !Number.isNaN(seconds));
    const { counts } = this.pins;
    const spanSeconds = (result.endedAt - (this.arrivals[0]?.at ?? 0)) / 1e6;
    const programIds = this.arrivals.map(({ program }) => program.programId);
    const closeUp = this.closeUp?.finish({ endedAt: result.endedAt, poolTokens, programIds });
    return {
      kind: 'cell',
      row: {
        trace,
        engine: pool.engine,
        engines: pool.engines,
        policy,
        load,
        seed,
        programs: this.arrivals.length,
        finished: result.finishedPrograms,
        jctSeconds: distributionOf(jctSeconds),
        ttftSeconds: distributionOf(this.#ttftSeconds),
        queueWaitSeconds: distributionOf(this.#queueWaitSeconds),
        promptTokens: this.#tokens.prompt,
        cachedTokens: this.#tokens.cached,
        recomputedTokens: this.#tokens.recomputed,
        ...hostTokens(pool, result),
        outputTokens: this.#tokens.output,
        preemptions: result.totals.preemptions,
        pins: { set: this.pins.set, hit: counts.hit, expired: counts.expired, revoked: counts.revoked },
        pinnedByteSeconds: {
          used: Math.round(this.pins.usedTokenSeconds * kvBytesPerToken),
          wasted: Math.round(this.pins.wastedTokenSeconds * kvBytesPerToken),
        },
        turnsPerSecond: spanSeconds > 0 ? result.finishedTurns / spanSeconds : 0,
      },
      detail: {
        jctSeconds: jctSeconds.map(rounded),
        ttftPercentiles: percentilesOf(this.#ttftSeconds),
        pinOutcomes: { ...counts },
        endedAtSeconds: rounded(result.endedAt / 1e6),
        ...(closeUp === undefined ? {} : { close: closeUp }),
      },
    };
  }
}

/** Pure. Nothing without host memory. */
const hostTokens = (
  pool: CellJob['pool'],
  { totals: { reloadedTokens, offloadedTokens } }: SimulationResult,
): Pick<SummaryRow, 'reloadedTokens' | 'offloadedTokens'> =>
  pool.hostKvScale === undefined ? {} : { reloadedTokens, offloadedTokens };
