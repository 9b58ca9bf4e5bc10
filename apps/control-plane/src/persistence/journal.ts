/**
 * What the service writes down, as rows for the group-commit writer. Nothing here waits.
 *
 * Rows are gathered for a moment before the writer gets them: the rows of a whole turn then share one commit, and the
 * work of committing does not run between a turn and its engine. Whoever needs rows to be durable calls `flush`.
 *
 * Every step of the loop becomes one entry of the pool's event log: `{ now, event }`, from which a fresh kernel makes
 * the same decisions again. Commands are not stored besides: they follow from the log, and the decisions among them
 * have rows of their own.
 */
import type {
  JsonValue,
  PinRow,
  RequestRow,
  RowChanges,
  Rows,
  StoredTurnInputKind,
  TableName,
  WriteBehind,
} from '@holdfast/persistence';
import type { Decision, DecisionOutcome, Instant, ProgramView } from '@holdfast/scheduling';
import type { PreparedPrompt } from '../programs/program-context.js';
import type { LiveProgram, OpenToolCall } from '../programs/live-program.js';
import { programRowOf } from '../programs/program-row.js';
import { logprobsToBytes } from '../programs/stored-logprobs.js';
import type { LoopStep } from '../scheduling/scheduler-loop.js';
import type { LiveTurn, TurnResult } from '../turns/live-turn.js';
import type { DomainError } from '@holdfast/platform';

/** How long rows are gathered. */
const GATHER_MS = 20;

/** What a turn's row needs besides the turn. */
export interface TurnEntry {
  readonly ordinal: number;
  readonly inputKind: StoredTurnInputKind;
  readonly prompt: PreparedPrompt;
  /** Messages and tools, when the turn came as text. */
  readonly messages: JsonValue;
}

/** One life of a pin. */
export type PinEntry = Omit<PinRow, 'endedAt' | 'outcome' | 'reason'>;

/** See the file header. */
export class Journal {
  readonly #writer: WriteBehind;
  readonly #poolId: string;
  #nextSequence: number;
  #gathered: (() => void)[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(options: { readonly writer: WriteBehind; readonly poolId: string; readonly nextSequence: number }) {
    this.#writer = options.writer;
    this.#poolId = options.poolId;
    this.#nextSequence = options.nextSequence;
  }

  /** The database cannot keep up: take nothing new. */
  get isSaturated(): boolean {
    return this.#writer.isSaturated;
  }

  /** Rows that wait. */
  get depth(): number {
    return this.#writer.depth + this.#gathered.length;
  }

  /** Resolves when all that was written down so far is durable. */
  async flush(): Promise<void> {
    this.#handOver();
    await this.#writer.flush();
  }

  /** Writes all that is left, and takes nothing more. */
  async close(): Promise<void> {
    this.#handOver();
    await this.#writer.close();
  }

  step({ now, event }: LoopStep): void {
    this.#save('poolEvent', { sequence: this.#nextSequence, at: now, event });
    this.#nextSequence += 1;
  }

  decision(decision: Decision): void {
    this.#save('decision', decision);
  }

  decisionResolved(decisionId: number, outcome: DecisionOutcome, at: Instant): void {
    this.#update('decision', { decisionId, outcome, outcomeAt: at });
  }

  program(program: LiveProgram, view: ProgramView | null): void {
    this.#save('program', programRowOf(program, view, this.#poolId));
  }

  turnSubmitted(turn: LiveTurn, { ordinal, inputKind, prompt, messages }: TurnEntry): void {
    this.#save('turn', {
      turnId: turn.turnId,
      programId: turn.programId,
      ordinal,
      requestId: turn.requestId,
      bodyDigest: Buffer.from(turn.bodyDigest, 'hex'),
      state: 'submitted',
      inputKind,
      isLast: turn.plan?.isLast ?? false,
      keepTokens: prompt.sharedTokens,
      appendedIds: prompt.appendedIds,
      messages,
      promptTokens: prompt.promptIds.length,
      submittedAt: turn.submittedAt,
    });
  }

  turnFinished(turn: LiveTurn, result: TurnResult, outputText: string | null): void {
    const outputIds = turn.output.view().slice();
    this.#update('turn', {
      turnId: turn.turnId,
      state: 'finished',
      outputIds,
      outputText,
      outputLogprobs: logprobsToBytes(turn.logprobs),
      promptTokens: result.promptTokens,
      cachedTokens: result.cachedTokens,
      outputTokens: outputIds.length,
      recomputedTokens: result.recomputedTokens,
      finishReason: result.finishReason,
      finishedAt: result.finishedAt,
      ...whereabouts(turn),
    });
  }

  turnFailed(turn: LiveTurn, error: DomainError, at: Instant): void {
    this.#update('turn', {
      turnId: turn.turnId,
      state: error.reason === 'CALLER_CANCELLED' ? 'cancelled' : 'failed',
      failureReason: error.reason,
      failureMessage: error.message,
      finishedAt: at,
      ...whereabouts(turn),
    });
  }

  /** A turn that an earlier process had begun and did not end. */
  turnInterrupted(turnId: string, at: Instant): void {
    this.#update('turn', {
      turnId,
      state: 'failed',
      failureReason: 'TURN_INTERRUPTED',
      failureMessage: 'the service stopped while the turn ran',
      finishedAt: at,
    });
  }

  toolCallBegan(programId: string, toolCallId: string, call: OpenToolCall): void {
    this.#save('toolCall', { programId, toolCallId, ...call });
  }

  toolCallEnded(
    programId: string,
    toolCallId: string,
    end: { readonly endedAt: Instant; readonly outcome: 'succeeded' | 'failed' | 'cancelled' },
  ): void {
    this.#update('toolCall', { programId, toolCallId, ...end });
  }

  pinSet(pin: PinEntry): void {
    this.#save('pin', pin);
  }

  pinRenewed(pinId: string, expiresAt: Instant): void {
    this.#update('pin', { pinId, expiresAt });
  }

  pinEnded(
    pinId: string,
    end: { readonly outcome: DecisionOutcome; readonly endedAt: Instant; readonly reason?: string },
  ): void {
    this.#update('pin', { pinId, ...end });
  }

  request(entry: Omit<RequestRow, 'bodyDigest'> & { readonly bodyDigest: string }): void {
    this.#save('request', { ...entry, bodyDigest: Buffer.from(entry.bodyDigest, 'hex') });
  }

  #save<Table extends TableName>(table: Table, row: Rows[Table]): void {
    this.#gather(() => this.#writer.save(table, row));
  }

  #update<Table extends TableName>(table: Table, changes: RowChanges<Table>): void {
    this.#gather(() => this.#writer.update(table, changes));
  }

  #gather(operation: () => void): void {
    this.#gathered.push(operation);
    this.#timer ??= setTimeout(() => this.#handOver(), GATHER_MS);
  }

  #handOver(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const operations = this.#gathered;
    this.#gathered = [];
    // A writer that has stopped says so by its own callback, which ends the process.
    for (const operation of operations) if (this.#writer.failure === undefined) operation();
  }
}

const whereabouts = (
  turn: LiveTurn,
): {
  readonly engineId: string | null;
  readonly dispatchedAt: Instant | null;
  readonly startedAt: Instant | null;
} => ({
  engineId: turn.dispatch?.engineId ?? null,
  dispatchedAt: turn.dispatch?.at ?? null,
  startedAt: turn.firstTokenAt,
});
