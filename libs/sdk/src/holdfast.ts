import { durationToProto, program as wire, timestampToProto } from '@holdfast/contracts';
import { SpanKind, context as otel } from '@opentelemetry/api';
import { randomUUID } from 'node:crypto';
import { Connection, type CallScope } from './connection.js';
import { requireMillis, resolveOptions, type HoldfastOptions } from './options.js';
import { programInfoFromProto, stateToProto, type ProgramInfo, type ProgramState } from './program-info.js';
import { Program } from './program.js';
import { endSpan, startSpan } from './tracing.js';

const service = wire.ProgramServiceService;

/** A program to start. */
export interface StartOptions {
  /** Unset takes the only pool there is. */
  readonly model?: string;
  /** Name for people, at most 200 characters. */
  readonly name?: string;
  /** Kind of program ("swe-agent"): programs of one class behave alike, so they share predictions. */
  readonly programClass?: string;
  /** For a sub-agent: id of the live program that starts it and waits for it. An unset class is its parent's. */
  readonly parentProgramId?: string;
  /** Turns expected in all, if known. */
  readonly expectedTurns?: number;
  /** Tokens expected in all, prompt and output, as far as they must be computed. */
  readonly expectedTokens?: number;
  /** Silence in milliseconds after which the service ends the program. */
  readonly idleLimitMs?: number;
  /** Id wanted, 1 to 128 of [A-Za-z0-9._:-]. Default: the service chooses. */
  readonly programId?: string;
  /** Aborting it cancels the program's turns and tools and ends it as failed. */
  readonly signal?: AbortSignal;
}

/** Which programs to list. */
export interface ListOptions {
  /** Only these states; unset means all. */
  readonly states?: readonly ProgramState[];
  /** Only programs started at or after this time. */
  readonly startedAfter?: Date;
  /** Programs fetched at a time, 1 to 500. Default: 50. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

/** Options of calls that only read. */
export interface ReadOptions {
  readonly signal?: AbortSignal;
}

/** A client of the Holdfast service. One per process is enough; it holds one connection. */
export class Holdfast {
  readonly #connection: Connection;

  /** @throws HoldfastError INVALID_ARGUMENT for an option that is out of range. */
  constructor(options: HoldfastOptions) {
    this.#connection = new Connection(resolveOptions(options));
  }

  /**
   * Starts a program, runs `body` in it, and ends it: completed when `body` returns, failed when it throws. What `body`
   * returned or threw is handed on even if ending fails; that becomes a warning, and the service ends the program by its
   * idle limit. When `signal` aborts, the program's turns and tools are cancelled and it ends as failed at once; `run`
   * rejects with the signal's reason as soon as `body` has let go.
   */
  async run<T>(options: StartOptions, body: (program: Program) => T | PromiseLike<T>): Promise<T> {
    const program = await this.start(options);
    let result: T;
    try {
      result = await otel.with(program.context, () => body(program));
      options.signal?.throwIfAborted();
    } catch (error) {
      await this.#endOrWarn(program, { outcome: 'failed', error });
      throw error;
    }
    await this.#endOrWarn(program, { outcome: 'completed' });
    return result;
  }

  /** Starts a program that the caller ends: by `program.end()`, with `await using` as the safety net. */
  async start(options: StartOptions = {}): Promise<Program> {
    const signal = options.signal ?? new AbortController().signal;
    const attributes = {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': options.name ?? '',
      'gen_ai.request.model': options.model ?? '',
      'holdfast.program.class': options.programClass ?? '',
    };
    const trace = startSpan({ name: 'holdfast.program', kind: SpanKind.INTERNAL, attributes });
    try {
      const request = startRequest(options);
      const { program } = await this.#connection.unary(service.startProgram, request, {
        signal,
        context: trace.context,
      });
      const info = programInfoFromProto(program);
      trace.span.setAttributes({ 'holdfast.program.id': info.programId, 'gen_ai.request.model': info.model });
      return new Program({ connection: this.#connection, info, signal, trace });
    } catch (error) {
      endSpan(trace.span, { error });
      throw error;
    }
  }

  /** One program as it is now. */
  async get(programId: string, options: ReadOptions = {}): Promise<ProgramInfo> {
    const response = await this.#connection.unary(service.getProgram, { programId }, readScope(options));
    return programInfoFromProto(response.program);
  }

  /** Programs, newest first; pages are fetched as the loop goes on. */
  async *list(options: ListOptions = {}): AsyncGenerator<ProgramInfo, void, undefined> {
    const { states = [], startedAfter, pageSize = 0 } = options;
    const request: wire.ListProgramsRequest = {
      pageSize,
      pageToken: '',
      states: states.map((state) => stateToProto[state]),
      startedAfter: startedAfter === undefined ? undefined : timestampToProto(startedAfter.getTime() * 1_000),
    };
    do {
      const page = await this.#connection.unary(service.listPrograms, request, readScope(options));
      for (const program of page.programs) yield programInfoFromProto(program);
      request.pageToken = page.nextPageToken;
    } while (request.pageToken !== '');
  }

  /**
   * The program now and after each change, until it ends. A watch that breaks is taken up again; changes that passed
   * meanwhile are seen as one. It has no deadline: the signal, or leaving the loop, ends it.
   */
  async *watch(programId: string, options: ReadOptions = {}): AsyncGenerator<ProgramInfo, void, undefined> {
    const scope = readScope(options);
    let stream: AsyncGenerator<wire.WatchProgramResponse> | undefined;
    const next = async (): Promise<IteratorResult<wire.WatchProgramResponse>> => {
      stream ??= this.#connection.stream(service.watchProgram, { programId }, scope);
      try {
        return await stream.next();
      } catch (error) {
        stream = undefined;
        throw error;
      }
    };
    let seen: Buffer | undefined;
    try {
      for (;;) {
        const { done, value } = await this.#connection.retrying(scope, next);
        if (done === true) return;
        const program = (value as wire.WatchProgramResponse).program ?? wire.Program.create();
        const bytes = Buffer.from(wire.Program.encode(program).finish());
        // What a watch that was taken up again starts with is a change only if it differs.
        if (seen?.equals(bytes) === true) continue;
        seen = bytes;
        yield programInfoFromProto(program);
      }
    } finally {
      await stream?.return(undefined);
    }
  }

  /** Closes the connection once the calls that run have ended. Programs go on; end them first. Modifies state. */
  close(): void {
    this.#connection.close();
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #endOrWarn(program: Program, options: Parameters<Program['end']>[0]): Promise<void> {
    try {
      await program.end(options);
    } catch (error) {
      const message = `program ${program.id} could not be ended: ${String(error)}`;
      this.#connection.settings.warn({ kind: 'programNotEnded', message, programId: program.id, error });
    }
  }
}

const startRequest = (options: StartOptions): wire.StartProgramRequest => {
  const { expectedTokens, idleLimitMs } = options;
  if (idleLimitMs !== undefined) requireMillis('idleLimitMs', idleLimitMs);
  return {
    requestId: randomUUID(),
    programId: options.programId ?? '',
    name: options.name ?? '',
    model: options.model ?? '',
    programClass: options.programClass ?? '',
    parentProgramId: options.parentProgramId ?? '',
    expectedTurns: options.expectedTurns,
    expectedTokens: expectedTokens === undefined ? undefined : BigInt(Math.ceil(expectedTokens)),
    idleLimit: idleLimitMs === undefined ? undefined : durationToProto(Math.round(idleLimitMs * 1_000)),
  };
};

const readScope = ({ signal }: ReadOptions): CallScope => ({
  signal: signal ?? new AbortController().signal,
  context: otel.active(),
});
