import { program as wire } from '@holdfast/contracts';
import { SpanKind, context as otel, type Context } from '@opentelemetry/api';
import { randomUUID } from 'node:crypto';
import type { Connection } from './connection.js';
import { ProgramEndedError, type HoldfastError } from './errors.js';
import { requireMillis } from './options.js';
import type { OutputFeed } from './output-feed.js';
import { programInfoFromProto, type ProgramInfo } from './program-info.js';
import { Deadline } from './retry.js';
import { ToolCallReports, type ToolOptions } from './tool-calls.js';
import { endSpan, startSpan, toolAttributes, turnAttributes, type SpanScope } from './tracing.js';
import { turnRequest, type TurnOptions } from './turn-options.js';
import type { TurnResult } from './turn-result.js';
import { Turn, receiveTurn } from './turn.js';

/** The wire takes no longer messages. */
const MAX_MESSAGE_CHARACTERS = 1_000;

/** How a program ended. */
export interface EndOptions {
  /** Default: `completed`, or `failed` when there is an `error`. */
  readonly outcome?: 'completed' | 'failed';
  /** Why, for people. Default: the message of `error`. */
  readonly message?: string;
  /** What went wrong; it goes on the trace. */
  readonly error?: unknown;
}

/** What a {@link Program} is made of; see `Holdfast.start`. */
export interface ProgramStart {
  readonly connection: Connection;
  /** As the service accepted it. */
  readonly info: ProgramInfo;
  /** Aborting it cancels the program's work and ends it as failed. */
  readonly signal: AbortSignal;
  /** The program's span. */
  readonly trace: SpanScope;
}

/** A program that runs: an agent's turns and tool calls over one context. */
export class Program {
  /** The program as it was when it started; `Holdfast.get` tells how it is now. */
  readonly info: ProgramInfo;
  readonly #connection: Connection;
  readonly #signal: AbortSignal;
  readonly #trace: SpanScope;
  readonly #reports: ToolCallReports;
  /** A turn was given up here; the service may not know it yet. */
  #hasGivenUp = false;
  #endRequest: wire.EndProgramRequest | undefined;
  #ending: Promise<ProgramInfo> | undefined;

  /** For `Holdfast.start`. */
  constructor({ connection, info, signal, trace }: ProgramStart) {
    this.info = info;
    this.#connection = connection;
    this.#signal = signal;
    this.#trace = trace;
    this.#reports = new ToolCallReports(connection, info.programId, () => this.#endRequest !== undefined);
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Unique id. */
  get id(): string {
    return this.info.programId;
  }

  /** Trace context of the program, for work that should be part of its trace. */
  get context(): Context {
    return this.#trace.context;
  }

  /** Submits a turn, at once. One turn of a program runs at a time. */
  turn(options: TurnOptions): Turn {
    const requestId = options.requestId ?? randomUUID();
    const abort = new AbortController();
    const signals = [this.#signal, abort.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const signal = AbortSignal.any(signals);
    return new Turn({ requestId, abort, run: (feed) => this.#runTurn({ options, requestId, signal, feed }) });
  }

  /**
   * Runs a tool and reports when it began and ended. The result, or what the tool threw, is handed on as it is, whatever
   * becomes of the reports. The signal given to the tool aborts when the program does, or after `timeoutMs`.
   */
  async tool<T>(tool: string, options: ToolOptions, run: (signal: AbortSignal) => T | PromiseLike<T>): Promise<T> {
    const { timeoutMs, toolCallId = randomUUID() } = options;
    if (timeoutMs !== undefined) requireMillis('timeoutMs', timeoutMs);
    const signals = [this.#signal, ...(timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)])];
    const signal = AbortSignal.any(signals);
    const attributes = { ...toolAttributes({ tool, toolCallId }), 'holdfast.program.id': this.id };
    const trace = startSpan({ name: 'holdfast.tool', kind: SpanKind.INTERNAL, attributes, program: this.context });
    const reportEnd = this.#reports.begin({ ...options, tool, toolCallId, context: trace.context });
    try {
      const result = await otel.with(trace.context, () => run(signal));
      reportEnd('succeeded');
      endSpan(trace.span);
      return result;
    } catch (error) {
      reportEnd(signal.aborted ? 'cancelled' : 'failed');
      endSpan(trace.span, { error });
      throw error;
    }
  }

  /**
   * Ends the program: everything that is held for it is released. The first call decides how; later ones wait for the
   * same end, or try it again if it failed. Modifies state.
   */
  end(options: EndOptions = {}): Promise<ProgramInfo> {
    this.#endRequest ??= this.#endRequestOf(options);
    this.#ending ??= this.#sendEnd(this.#endRequest, options.error);
    return this.#ending;
  }

  /** For `await using`: a program that was not ended by then is ended as failed, since nobody said it was done. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending === undefined)
      await this.end({ outcome: 'failed', message: 'disposed of before end() was called' });
  }

  async #runTurn(turn: TurnRun): Promise<TurnResult> {
    const { options, requestId, signal, feed } = turn;
    const attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': this.info.model,
      'holdfast.program.id': this.id,
      'holdfast.turn.request_id': requestId,
    };
    const trace = startSpan({ name: 'holdfast.turn', kind: SpanKind.CLIENT, attributes, program: this.context });
    try {
      if (this.#endRequest !== undefined) throw this.#endedError();
      const { timeoutMs = this.#connection.settings.timeouts.turnMs } = options;
      requireMillis('timeoutMs', timeoutMs);
      const request = turnRequest(this.id, requestId, options);
      const scope = { signal, deadline: new Deadline(timeoutMs), context: trace.context, isPassing: this.#isPassing };
      await this.#reports.settled();
      const result = await receiveTurn({ connection: this.#connection, request, scope, feed });
      this.#hasGivenUp = false;
      trace.span.setAttributes(turnAttributes(result));
      feed.close();
      endSpan(trace.span);
      return result;
    } catch (error) {
      this.#hasGivenUp = true;
      feed.close({ error });
      endSpan(trace.span, { error });
      throw error;
    }
  }

  /** A turn that was given up here ends at the service a moment later: until then the next one is one too many. */
  readonly #isPassing = (error: HoldfastError): boolean => this.#hasGivenUp && error.reason === 'TURN_RUNNING';

  async #sendEnd(request: wire.EndProgramRequest, error: unknown): Promise<ProgramInfo> {
    this.#signal.removeEventListener('abort', this.#onAbort);
    try {
      await this.#reports.settled();
      // Ending must work for an aborted program too; the call's deadline bounds it.
      const scope = { signal: new AbortController().signal, context: this.context };
      const response = await this.#connection.unary(wire.ProgramServiceService.endProgram, request, scope);
      return programInfoFromProto(response.program);
    } catch (failure) {
      this.#ending = undefined;
      throw failure;
    } finally {
      const hasFailed = request.outcome === wire.ProgramOutcome.FAILED;
      // Recording stops with the first end; a second try of ending the program finds the span ended.
      if (this.#trace.span.isRecording()) {
        endSpan(this.#trace.span, hasFailed ? { error: error ?? request.message } : undefined);
      }
    }
  }

  #endRequestOf({ error, outcome, message }: EndOptions): wire.EndProgramRequest {
    const hasFailed = outcome === 'failed' || (outcome === undefined && error !== undefined);
    const text = message ?? (error === undefined ? '' : error instanceof Error ? error.message : String(error));
    return {
      requestId: randomUUID(),
      programId: this.id,
      outcome: hasFailed ? wire.ProgramOutcome.FAILED : wire.ProgramOutcome.COMPLETED,
      message: text.slice(0, MAX_MESSAGE_CHARACTERS),
    };
  }

  readonly #onAbort = (): void => {
    this.end({ outcome: 'failed', error: this.#signal.reason }).catch((error: unknown) => {
      const message = `program ${this.id} was aborted but could not be ended: ${String(error)}`;
      this.#connection.settings.warn({ kind: 'programNotEnded', message, programId: this.id, error });
    });
  };

  #endedError(): ProgramEndedError {
    return new ProgramEndedError({
      code: 'FAILED_PRECONDITION',
      reason: 'PROGRAM_ENDED',
      message: `program ${this.id} was ended here; it takes no further turns`,
      metadata: { programId: this.id },
    });
  }
}

interface TurnRun {
  readonly options: TurnOptions;
  readonly requestId: string;
  readonly signal: AbortSignal;
  readonly feed: OutputFeed;
}
