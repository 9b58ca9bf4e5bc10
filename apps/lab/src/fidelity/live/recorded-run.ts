/** A live run as its service recorded it: what happened, and what was decided. */
import { readFileSync } from 'node:fs';
import {
  between,
  micros,
  type Decision,
  type DecisionOutcome,
  type EngineDescription,
  type Instant,
  type KernelEvent,
  type ProgramId,
  type TurnId,
  type TurnSubmitted,
} from '@holdfast/scheduling';
import type { Arrival, RecordedTurn } from '@holdfast/simulation';

/** A decision with what became of it. */
export type ResolvedDecision = Omit<Decision, 'inputs' | 'reason'> & { readonly outcome?: DecisionOutcome | null };

/** When a turn did what, by the clock of the run. */
export interface TurnTimes {
  readonly programId: ProgramId;
  /** Number of the turn in its program, from 0. */
  readonly index: number;
  readonly outputTokens: number;
  readonly submittedAt: Instant;
  readonly startedAt: Instant;
  readonly finishedAt: Instant;
}

/** What a simulation needs to run the same again, and what it is compared with. */
export interface RecordedRun {
  readonly policy: string;
  readonly dispatchWindow: number;
  readonly engines: readonly EngineDescription[];
  /** In order of time. */
  readonly arrivals: readonly Arrival[];
  /** In order of submission. */
  readonly turns: readonly TurnTimes[];
  /** In the order of their making. */
  readonly decisions: readonly ResolvedDecision[];
  /** Number of a turn in its program. */
  readonly indexOf: ReadonlyMap<TurnId, number>;
}

interface LiveTurn {
  readonly submitted: TurnSubmitted;
  readonly submittedAt: Instant;
  readonly index: number;
  startedAt?: Instant;
  finishedAt?: Instant;
  outputTokens?: number;
  tool?: { readonly name: string; readonly beganAt: Instant; endedAt?: Instant };
}

/** Reads `PREFIX.events.jsonl` and `PREFIX.decisions.jsonl`, as the service's export writes them. */
export const readRecordedRun = (prefix: string): RecordedRun => {
  const [header, ...lines] = readLines(`${prefix}.events.jsonl`) as [
    { readonly kernel: { readonly policy: string; readonly dispatchWindow: number } },
    ...{ readonly now: Instant; readonly event: KernelEvent }[],
  ];
  const programs = new Map<ProgramId, { readonly programClass: string; readonly at: Instant; turns: LiveTurn[] }>();
  const turns = new Map<TurnId, LiveTurn>();
  const engines: EngineDescription[] = [];
  for (const { now, event } of lines) {
    switch (event.type) {
      case 'engineJoined':
        engines.push(event.engine);
        break;
      case 'programStarted':
        programs.set(event.programId, { programClass: event.programClass, at: now, turns: [] });
        break;
      case 'turnSubmitted': {
        const own = programs.get(event.programId)!.turns;
        const turn: LiveTurn = { submitted: event, submittedAt: now, index: own.length };
        own.push(turn);
        turns.set(event.turnId, turn);
        break;
      }
      case 'turnStarted':
        turns.get(event.turnId)!.startedAt = now;
        break;
      case 'turnFinished':
        Object.assign(turns.get(event.turnId)!, { finishedAt: now, outputTokens: event.outputTokens });
        break;
      case 'toolCallStarted':
        programs.get(event.programId)!.turns.at(-1)!.tool = { name: event.tool, beganAt: now };
        break;
      case 'toolCallFinished':
        programs.get(event.programId)!.turns.at(-1)!.tool!.endedAt = now;
        break;
      case 'turnFailed':
      case 'engineLost':
        throw new Error(`${prefix}: ${event.type} with reason ${event.reason}: such a run cannot be compared`);
      default:
        // Nothing that a simulation would need.
        break;
    }
  }
  return {
    ...header.kernel,
    engines,
    arrivals: [...programs].map(([programId, { programClass, at, turns: own }]) => ({
      program: { programId, programClass, turns: own.map((turn, index) => toRecordedTurn(turn, own[index + 1])) },
      at,
    })),
    turns: [...turns.values()].map(toTurnTimes),
    decisions: readLines(`${prefix}.decisions.jsonl`) as ResolvedDecision[],
    indexOf: new Map([...turns].map(([turnId, { index }]) => [turnId, index])),
  };
};

const toTurnTimes = ({ submitted, index, outputTokens, submittedAt, startedAt, finishedAt }: LiveTurn): TurnTimes => ({
  programId: submitted.programId,
  index,
  outputTokens: outputTokens!,
  submittedAt,
  startedAt: startedAt!,
  finishedAt: finishedAt!,
});

/** The gap is what the client left between two turns: what it needed itself is in it, before the tool and after. */
const toRecordedTurn = (turn: LiveTurn, next: LiveTurn | undefined): RecordedTurn => {
  const { submitted, finishedAt, outputTokens, tool } = turn;
  if (finishedAt === undefined || outputTokens === undefined) {
    throw new Error(`turn ${turn.index} of program ${submitted.programId} did not finish`);
  }
  return {
    promptTokens: submitted.promptTokens,
    sharedTokens: submitted.sharedTokens,
    outputTokens,
    gap: next === undefined ? micros(0) : between(finishedAt, next.submittedAt),
    ...(tool?.endedAt === undefined
      ? {}
      : {
          tool: tool.name,
          heard: { began: between(finishedAt, tool.beganAt), ended: between(finishedAt, tool.endedAt) },
        }),
  };
};

const readLines = (file: string): unknown[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]));
