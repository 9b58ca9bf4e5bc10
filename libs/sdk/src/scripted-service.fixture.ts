/**
 * A ProgramService for specs: a real gRPC server on loopback that does what the spec says and remembers what it was
 * asked. It schedules nothing.
 */
import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { STATUS_DETAILS_KEY, encodeStatusDetails, program as wire, type FieldViolation } from '@holdfast/contracts';
import { Holdfast } from './holdfast.js';
import type { HoldfastOptions } from './options.js';
import type { StatusCode } from './errors.js';

/** Waits until something is so; fails after 5 s. */
export const until = async (isSo: () => boolean): Promise<void> => {
  const giveUpAtMs = performance.now() + 5_000;
  while (!isSo()) {
    if (performance.now() > giveUpAtMs) throw new Error(`still not so after 5 s: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

type Rpc = keyof typeof wire.ProgramServiceService;

/** A call that arrived. */
export interface SeenCall {
  readonly rpc: Rpc;
  readonly request: unknown;
  readonly metadata: Metadata;
  readonly atMs: number;
}

export type TurnStream = ServerWritableStream<wire.RunTurnRequest, wire.RunTurnResponse>;
export type TurnScript = (stream: TurnStream) => void | Promise<void>;
type Unary<Res> = () => Res | ServiceError | Promise<Res | ServiceError>;

/** A gRPC failure, with Holdfast's details when there is a reason. */
export const failure = (
  code: StatusCode,
  details: {
    reason?: string;
    retryAfterMs?: number;
    fieldViolations?: FieldViolation[];
    facts?: Record<string, string>;
  } = {},
): ServiceError => {
  const metadata = new Metadata();
  const { reason, retryAfterMs, fieldViolations, facts = {} } = details;
  const message = `scripted ${reason ?? code}`;
  if (reason !== undefined) {
    const encoded = encodeStatusDetails({
      code: status[code],
      message,
      reason,
      metadata: facts,
      ...(retryAfterMs === undefined ? {} : { retryAfterMicros: retryAfterMs * 1_000 }),
      ...(fieldViolations === undefined ? {} : { fieldViolations }),
    });
    metadata.set(STATUS_DETAILS_KEY, encoded);
  }
  return Object.assign(new Error(message), { code: status[code], details: message, metadata });
};

export const queued = (compacted = false): wire.RunTurnResponse => ({
  event: { $case: 'queued', value: { turnId: 't1', queueLength: 1, compacted } },
});
export const started = (engineId = 'engine-a'): wire.RunTurnResponse => ({
  event: { $case: 'started', value: { engineId, queueWait: { seconds: 0n, nanos: 12_500_000 } } },
});
export const delta = (tokenIds: number[], text: string): wire.RunTurnResponse => ({
  event: { $case: 'delta', value: { tokenIds, text, logprobs: [] } },
});
export const finished = (value: Partial<wire.TurnFinished> = {}): wire.RunTurnResponse => ({
  event: {
    $case: 'finished',
    value: { ...wire.TurnFinished.create(), turnId: 't1', finishReason: wire.FinishReason.STOP, ...value },
  },
});

/** Writes the events and ends, or fails. */
export const turn =
  (events: readonly wire.RunTurnResponse[], error?: ServiceError): TurnScript =>
  (stream) => {
    for (const event of events) stream.write(event);
    if (error === undefined) stream.end();
    else stream.emit('error', error);
  };

/** A whole turn that says "hello". */
export const hello = turn([queued(), started(), delta([1, 2], 'hel'), delta([3], 'lo'), finished()]);

const aProgram = (): wire.Program => ({
  ...wire.Program.create(),
  programId: 'p1',
  model: 'model-x',
  state: wire.ProgramState.IDLE,
});

/** The same answer each time. */
export const answer =
  <T>(message: T | ServiceError): Unary<T> =>
  () =>
    message;

/** See the head of the file. */
export class ScriptedService {
  readonly calls: SeenCall[] = [];
  /** Answers of StartProgram and so on, first to last; the last one stays. */
  readonly startProgram: Unary<wire.StartProgramResponse>[] = [answer({ program: aProgram() })];
  readonly endProgram: Unary<wire.EndProgramResponse>[] = [
    answer({ program: { ...aProgram(), state: wire.ProgramState.COMPLETED } }),
  ];
  readonly beginToolCall: Unary<wire.BeginToolCallResponse>[] = [answer({ pin: undefined })];
  readonly endToolCall: Unary<wire.EndToolCallResponse>[] = [answer({ duration: undefined })];
  readonly getProgram: Unary<wire.GetProgramResponse>[] = [answer({ program: aProgram() })];
  readonly turns: TurnScript[] = [hello];
  listPrograms: (request: wire.ListProgramsRequest) => wire.ListProgramsResponse = () => ({
    programs: [],
    nextPageToken: '',
  });
  readonly watches: ((stream: ServerWritableStream<wire.WatchProgramRequest, wire.WatchProgramResponse>) => void)[] =
    [];
  readonly #clients: Holdfast[] = [];
  #server = new Server();
  #port = 0;

  /** Listens on a free port, or on the one it had before. */
  async listen(): Promise<void> {
    this.#server = new Server();
    this.#server.addService(wire.ProgramServiceService, {
      startProgram: this.#unary('startProgram'),
      endProgram: this.#unary('endProgram'),
      beginToolCall: this.#unary('beginToolCall'),
      endToolCall: this.#unary('endToolCall'),
      getProgram: this.#unary('getProgram'),
      listPrograms: (
        call: ServerUnaryCall<wire.ListProgramsRequest, unknown>,
        reply: (e: null, m: unknown) => void,
      ) => {
        this.#see('listPrograms', call);
        reply(null, this.listPrograms(call.request));
      },
      runTurn: (stream: TurnStream) => {
        this.#see('runTurn', stream);
        void next(this.turns)(stream);
      },
      watchProgram: (stream: ServerWritableStream<wire.WatchProgramRequest, wire.WatchProgramResponse>) => {
        this.#see('watchProgram', stream);
        next(this.watches)(stream);
      },
    });
    const target = `127.0.0.1:${this.#port}`;
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(target, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  /** Cuts every connection and stops listening. */
  kill(): void {
    this.#server.forceShutdown();
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** A client with short waits. */
  client(options: Partial<HoldfastOptions> = {}): Holdfast {
    const retry = { initialBackoffMs: 5, maxBackoffMs: 50, ...options.retry };
    const client = new Holdfast({ address: this.address, ...options, retry });
    this.#clients.push(client);
    return client;
  }

  close(): void {
    for (const client of this.#clients) client.close();
    this.kill();
  }

  seen(rpc: Rpc): SeenCall[] {
    return this.calls.filter((call) => call.rpc === rpc);
  }

  requests<Req>(rpc: Rpc): Req[] {
    return this.seen(rpc).map(({ request }) => request as Req);
  }

  #see(rpc: Rpc, { request, metadata }: { request: unknown; metadata: Metadata }): void {
    this.calls.push({ rpc, request, metadata, atMs: performance.now() });
  }

  #unary<Name extends 'startProgram' | 'endProgram' | 'beginToolCall' | 'endToolCall' | 'getProgram'>(rpc: Name) {
    return (
      call: ServerUnaryCall<unknown, unknown>,
      reply: (error: ServiceError | null, message?: unknown) => void,
    ) => {
      this.#see(rpc, call);
      void Promise.resolve(next<Unary<unknown>>(this[rpc])()).then((answer) => {
        if (answer instanceof Error) reply(answer as ServiceError);
        else reply(null, answer);
      });
    };
  }
}

const next = <T>(script: T[]): T => {
  const [first] = script;
  if (first === undefined) throw new Error('the script has nothing for this call');
  if (script.length > 1) script.shift();
  return first;
};
