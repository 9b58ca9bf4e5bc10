/**
 * What the service writes down, as rows for the group-commit writer. Nothing here waits.
 *
 * Every step of the loop becomes one entry of the pool's event log: `{ now, event }`, from which a fresh kernel makes
 * the same decisions again. Commands are not stored besides: they follow from the log, and the decisions among them
 * have rows of their own.
 */
import type { WriteBehind } from '@holdfast/persistence';
import type { Decision, DecisionOutcome, Instant, ProgramView } from '@holdfast/scheduling';
import type { PreparedPrompt } from '../programs/program-context.js';
import type { LiveProgram, OpenToolCall } from '../programs/live-program.js';
import { stateOf } from '../programs/program-to-proto.js';
import type { LoopStep } from '../scheduling/scheduler-loop.js';
import type { LiveTurn, TurnResult } from '../turns/live-turn.js';
import type { DomainError } from '@holdfast/platform';

type Rows = Parameters<WriteBehind['save']>[1];
type TurnInputKind = 'append' | 'prompt' | 'appendMessages' | 'conversation';

/** What a turn's row needs besides the turn. */
export interface TurnEntry {
  readonly ordinal: number;
  readonly inputKind: TurnInputKind;
  readonly prompt: PreparedPrompt;
  /** Messages and tools, when the turn came as text. */
  readonly messages: Extract<Rows, { inputKind: TurnInputKind }>['messages'];
}

/** One life of a pin. */
export interface PinEntry {
  readonly pinId: string;
  readonly programId: string;
  readonly engineId: string;
  readonly engineEpoch: string;
  readonly pinnedTokens: number;
  readonly setAt: Instant;
  readonly expiresAt: Instant;
}

/** See the file header. */
export class Journal {
  readonly #writer: WriteBehind;
  readonly #poolId: string;
  #nextSequence: number;

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
    return this.#writer.depth;
  }

  /** Resolves when all that was written down so far is durable. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  step({ now, event }: LoopStep): void {
    this.#write(() => this.#writer.save('poolEvent', { sequence: this.#nextSequence, at: now, event }));
    this.#nextSequence += 1;
  }

  decision(decision: Decision): void {
    this.#write(() => this.#writer.save('decision', decision));
  }

  decisionResolved(decisionId: number, outcome: DecisionOutcome, at: Instant): void {
    this.#write(() => this.#writer.update('decision', { decisionId, outcome, outcomeAt: at }));
  }

  program(program: LiveProgram, view: ProgramView | null): void {
    const { facts, counts, end, trace } = program;
    this.#write(() =>
      this.#writer.save('program', {
        ...facts,
        expectedTurns: facts.expectedTurns ?? null,
        expectedTokens: facts.expectedTokens ?? null,
        poolId: this.#poolId,
        state: stateOf(program, view),
        lastActiveAt: program.lastActiveAt,
        endedAt: end?.at ?? null,
        endMessage: end?.message ?? null,
        turnsFinished: counts.turnsFinished,
        toolCallsEnded: counts.toolCallsEnded,
        contextTokens: program.contextTokens,
        promptTokens: counts.promptTokens,
        cachedTokens: counts.cachedTokens,
        outputTokens: counts.outputTokens,
        recomputedTokens: counts.recomputedTokens,
        engineId: view?.engineId ?? null,
        traceparent: trace.traceparent ?? null,
      }),
    );
  }

  turnSubmitted(turn: LiveTurn, { ordinal, inputKind, prompt, messages }: TurnEntry): void {
    this.#write(() =>
      this.#writer.save('turn', {
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
        messages: messages ?? null,
        promptTokens: prompt.promptIds.length,
        submittedAt: turn.submittedAt,
      }),
    );
  }

  turnFinished(turn: LiveTurn, result: TurnResult, outputText: string | null): void {
    const outputIds = turn.output.view().slice();
    this.#write(() =>
      this.#writer.update('turn', {
        turnId: turn.turnId,
        state: 'finished',
        outputIds,
        outputText,
        promptTokens: result.promptTokens,
        cachedTokens: result.cachedTokens,
        outputTokens: outputIds.length,
        recomputedTokens: result.recomputedTokens,
        finishReason: result.finishReason,
        finishedAt: result.finishedAt,
        ...whereabouts(turn),
      }),
    );
  }

  turnFailed(turn: LiveTurn, error: DomainError, at: Instant): void {
    this.#write(() =>
      this.#writer.update('turn', {
        turnId: turn.turnId,
        state: error.reason === 'CALLER_CANCELLED' ? 'cancelled' : 'failed',
        failureReason: error.reason,
        failureMessage: error.message,
        finishedAt: at,
        ...whereabouts(turn),
      }),
    );
  }

  /** A turn that an earlier process had begun and did not end. */
  turnInterrupted(turnId: string, at: Instant): void {
    this.#write(() =>
      this.#writer.update('turn', {
        turnId,
        state: 'failed',
        failureReason: 'TURN_INTERRUPTED',
        failureMessage: 'the service stopped while the turn ran',
        finishedAt: at,
      }),
    );
  }

  toolCallBegan(programId: string, toolCallId: string, call: OpenToolCall): void {
    this.#write(() => this.#writer.save('toolCall', { programId, toolCallId, ...call }));
  }

  toolCallEnded(
    programId: string,
    toolCallId: string,
    end: { readonly endedAt: Instant; readonly outcome: 'succeeded' | 'failed' | 'cancelled' },
  ): void {
    this.#write(() => this.#writer.update('toolCall', { programId, toolCallId, ...end }));
  }

  pinSet(pin: PinEntry): void {
    this.#write(() => this.#writer.save('pin', pin));
  }

  pinRenewed(pinId: string, expiresAt: Instant): void {
    this.#write(() => this.#writer.update('pin', { pinId, expiresAt }));
  }

  pinEnded(
    pinId: string,
    end: { readonly outcome: DecisionOutcome; readonly endedAt: Instant; readonly reason?: string },
  ): void {
    this.#write(() => this.#writer.update('pin', { pinId, ...end }));
  }

  request(entry: {
    readonly scope: string;
    readonly requestId: string;
    readonly bodyDigest: string;
    readonly result: Uint8Array;
    readonly recordedAt: Instant;
  }): void {
    this.#write(() => this.#writer.save('request', { ...entry, bodyDigest: Buffer.from(entry.bodyDigest, 'hex') }));
  }

  /** A writer that has stopped says so by its own callback, which ends the process; its queue's bound is far away. */
  #write(operation: () => void): void {
    if (this.#writer.failure === undefined) operation();
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
