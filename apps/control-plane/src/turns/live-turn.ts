import type { program as wire } from '@holdfast/contracts';
import type { GenerateSampling, TokenLogprob } from '@holdfast/engines';
import type { DomainError } from '@holdfast/platform';
import type { EngineEpoch, EngineId, Instant, ProgramId, TurnId } from '@holdfast/scheduling';
import type { TurnTrace } from '../telemetry/program-trace.js';
import { TokenBuffer } from './token-buffer.js';

/** What the engine is asked for. */
export interface TurnPlan {
  /** The whole prompt, contiguous. Stays valid while the turn runs. */
  readonly promptIds: Uint32Array;
  /** Leading prompt tokens equal to the program's context before the turn. */
  readonly sharedTokens: number;
  /** The prompt does not extend the context. */
  readonly isCompaction: boolean;
  readonly sampling: GenerateSampling;
  readonly isLast: boolean;
}

/** Where a turn runs now. */
export interface TurnDispatch {
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly at: Instant;
  /** Counts dispatches of the turn from 1. */
  readonly attempt: number;
}

/** How a turn ended, with what the caller is told. */
export interface TurnResult {
  readonly finishReason: 'stop' | 'length' | 'abort';
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly recomputedTokens: number;
  readonly finishedAt: Instant;
  readonly pin: { readonly engineId: EngineId; readonly pinnedTokens: number; readonly expiresAt: Instant } | null;
  readonly toolCalls: readonly { readonly toolCallId: string; readonly tool: string; readonly argumentsJson: string }[];
}

/** Somebody who reads the turn's events. */
export interface TurnReader {
  /** True while the reader's own buffer is full. */
  readonly isBlocked: boolean;
  /** Something new is there. */
  advance(): void;
}

/** What identifies a turn at the edge. */
export interface TurnIdentity {
  readonly turnId: TurnId;
  readonly programId: ProgramId;
  readonly requestId: string;
  /** SHA-256 of the request's meaning: a request with the same id must have it. */
  readonly bodyDigest: string;
  /** Messages came in, so text goes out too. */
  readonly isText: boolean;
  readonly submittedAt: Instant;
}

/**
 * A turn from submission to its end, as its readers see it. The output is kept once, compactly; each reader has a
 * cursor of its own, so a second caller with the same request id reads the stream from its start.
 */
export class LiveTurn {
  readonly turnId: TurnId;
  readonly programId: ProgramId;
  readonly requestId: string;
  readonly bodyDigest: string;
  readonly isText: boolean;
  readonly submittedAt: Instant;
  readonly output = new TokenBuffer();
  /** One for each output token when the turn asked for them, else none. */
  readonly logprobs: TokenLogprob[] = [];

  plan: TurnPlan | null = null;
  trace: TurnTrace | null = null;
  queued: { readonly queueLength: number } | null = null;
  dispatch: TurnDispatch | null = null;
  firstTokenAt: Instant | null = null;
  /** What its chunks cost; null without chunks, and until an engine has said so. */
  chunkUse: wire.ChunkUse | null = null;
  result: TurnResult | null = null;
  error: DomainError | null = null;

  readonly #readers = new Set<TurnReader>();
  #wake: (() => void) | null = null;

  constructor(identity: TurnIdentity) {
    this.turnId = identity.turnId;
    this.programId = identity.programId;
    this.requestId = identity.requestId;
    this.bodyDigest = identity.bodyDigest;
    this.isText = identity.isText;
    this.submittedAt = identity.submittedAt;
  }

  /** It has its result or its error. */
  get hasEnded(): boolean {
    return this.result !== null || this.error !== null;
  }

  /** Readers attached now. */
  get readers(): number {
    return this.#readers.size;
  }

  /** Modifies state. */
  attach(reader: TurnReader): void {
    this.#readers.add(reader);
  }

  /** Modifies state. */
  detach(reader: TurnReader): void {
    this.#readers.delete(reader);
    this.readerReady();
  }

  /** Modifies state. */
  markQueued(queueLength: number): void {
    this.queued = { queueLength };
    this.#notify();
  }

  /** Modifies state. */
  markDispatched(at: {
    readonly engineId: EngineId;
    readonly epoch: EngineEpoch;
    readonly now: Instant;
  }): TurnDispatch {
    this.dispatch = {
      engineId: at.engineId,
      epoch: at.epoch,
      at: at.now,
      attempt: (this.dispatch?.attempt ?? 0) + 1,
    };
    this.#notify();
    return this.dispatch;
  }

  /** Modifies state. */
  addOutput(tokenIds: ArrayLike<number>, now: Instant, logprobs: readonly TokenLogprob[] = []): void {
    if (tokenIds.length === 0) return;
    this.firstTokenAt ??= now;
    for (const logprob of logprobs) this.logprobs.push(logprob);
    this.output.append(tokenIds);
    this.#notify();
  }

  /** Modifies state. */
  finish(result: TurnResult): void {
    this.#dropPrompt();
    this.result = result;
    this.#notify();
    this.readerReady();
  }

  /** Modifies state. */
  fail(error: DomainError): void {
    this.#dropPrompt();
    this.error = error;
    this.#notify();
    this.readerReady();
  }

  /** True while no reader can take more: the engine's stream is to be left alone then. */
  get isCongested(): boolean {
    if (this.#readers.size === 0 || this.hasEnded) return false;
    for (const reader of this.#readers) if (!reader.isBlocked) return false;
    return true;
  }

  /** Resolves when the turn is no longer congested. One waiter at a time: the engine call that feeds it. */
  untilReadable(): Promise<void> {
    if (!this.isCongested) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Modifies state. A reader can take more, or has left. */
  readerReady(): void {
    if (this.#wake === null || this.isCongested) return;
    const wake = this.#wake;
    this.#wake = null;
    wake();
  }

  /** The prompt is a view of the program's context: an ended turn must not keep that in memory. */
  #dropPrompt(): void {
    if (this.plan !== null) this.plan = { ...this.plan, promptIds: new Uint32Array() };
  }

  #notify(): void {
    for (const reader of this.#readers) reader.advance();
  }
}
