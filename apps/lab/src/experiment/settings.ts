import type { Duration } from '@holdfast/scheduling';
import type { EngineAbilities } from '@holdfast/simulation';
import type { ArrivalChoice } from '../cells/job.js';
import type { ProgramSelection, TraceArgument } from '../trace-files/load-trace.js';

/** What every experiment is told, checked. */
export interface ExperimentSettings {
  readonly traces: readonly TraceArgument[];
  readonly policies: readonly string[];
  readonly engines: readonly string[];
  readonly engineCounts: readonly number[];
  /** Seeds 1 to this. */
  readonly seeds: number;
  readonly gapCap: Duration;
  readonly maxContextTokens: number;
  /** Which programs of a trace there are at all. */
  readonly select: ProgramSelection;
  readonly arrival: ArrivalChoice;
  /** What is wrong (`parseDisturbance`); null: nothing. */
  readonly disturbance: string | null;
  /** Programs of a cell; null: as many as the trace has. */
  readonly programs: number | null;
  readonly kvScale: number;
  readonly hostKvScale: number;
  /** First prompt tokens that all programs have in common. */
  readonly sharedPromptTokens: number;
  readonly abilities: EngineAbilities;
  readonly tokenBudget: number;
  readonly maxRunningRequests: number;
  /** URL of a queue whose workers run the cells; null: threads of this process do. */
  readonly queue: string | null;
  /** Threads; 0 runs in the main one. */
  readonly workers: number;
  /** Folder of what is written; null writes nothing. */
  readonly out: string | null;
}

/** What `simulate` and `compare` are told beyond that. */
export interface CompareSettings extends ExperimentSettings {
  readonly loads: readonly number[];
  readonly writesDecisions: boolean;
  readonly writesPerfetto: boolean;
  /** Program of the report's timeline; null chooses a typical one. */
  readonly chosenProgram: string | null;
}
