import type { EngineAbilities } from '@holdfast/simulation';
import type { CellDetail } from '../measure/cell-detail.js';
import type { SummaryRow } from '../measure/summary-row.js';

/** The engines of a job, by name and numbers. */
export interface PoolChoice {
  readonly engine: string;
  readonly engines: number;
  readonly kvScale: number;
  /** Host memory, of an engine's KV memory; absent: none. */
  readonly hostKvScale?: number;
  /** First prompt tokens that all programs have in common; absent: none. */
  readonly sharedPromptTokens?: number;
  readonly tokenBudget: number;
  readonly maxRunningRequests: number;
  /** What the engines can carry out; absent: everything. */
  readonly abilities?: EngineAbilities;
}

/** How programs come in a cell. */
export interface ArrivalChoice {
  /** `poisson`: at random; `trace`: as recorded, nearer or farther apart. */
  readonly arrivals: 'poisson' | 'trace';
  /** Programs that come at one instant, where arrivals are at random; absent: one. */
  readonly batch?: number;
  /** Clients announce their size, this far off (`withSizeHints`); null: they do not. */
  readonly sizeHintSigma: number | null;
}

/** Measures what load 1.0 is. */
export interface LoadUnitJob {
  readonly kind: 'load-unit';
  readonly trace: string;
  readonly pool: PoolChoice;
  /** Of the backlog, at least. */
  readonly programs: number;
}

/** One policy at one load with one seed. */
export interface CellJob {
  readonly kind: 'cell';
  readonly trace: string;
  readonly pool: PoolChoice;
  readonly arrival: ArrivalChoice;
  /** What is wrong (`parseDisturbance`); absent: nothing. */
  readonly disturbance?: string;
  readonly policy: string;
  readonly load: number;
  readonly seed: number;
  readonly programs: number;
  /** Load 1.0. */
  readonly unitProgramsPerSecond: number;
  /** Looks closely: occupancy, queue, and this program's own timeline; `null` chooses one. */
  readonly closeUp?: { readonly programId: string | null };
  /** Path of a file for the decisions, one a line. */
  readonly decisionsTo?: string;
  /** Path of a file for a trace that Perfetto and Chrome show. */
  readonly perfettoTo?: string;
}

export type Job = LoadUnitJob | CellJob;

export interface LoadUnitResult {
  readonly kind: 'load-unit';
  readonly programsPerSecond: number;
  /** Programs a second in the recording; null where it does not say. */
  readonly recordedPerSecond: number | null;
}

export interface CellResult {
  readonly kind: 'cell';
  readonly row: SummaryRow;
  readonly detail: CellDetail;
}

export type JobResult = LoadUnitResult | CellResult;

/** Share of a job that is done, 0 to 1. */
export type ShareDone = (share: number) => void;
