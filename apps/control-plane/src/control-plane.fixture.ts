/** A control plane in this process, over real gRPC and a real PostgreSQL, with fake engines that fail on demand. */
import { credentials, type ClientReadableStream, Metadata, type ServiceError } from '@grpc/grpc-js';
import { decodeStatusDetails, program as wire, STATUS_DETAILS_KEY, type StatusDetails } from '@holdfast/contracts';
import { createFakeEngine, type FakeEngine, type FakeEngineOptions } from '@holdfast/engines';
import { noSpanExports, systemClock } from '@holdfast/platform';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pino from 'pino';
import { readConfig } from './config/config.js';
import { startControlPlane, type RunningControlPlane } from './start-control-plane.js';

/** How a test's control plane is started. */
export interface TestPlaneOptions {
  /** Empty starts the embedded PostgreSQL. */
  readonly databaseUrl?: string;
  readonly engines?: readonly Partial<FakeEngineOptions>[];
  readonly env?: Readonly<Record<string, string>>;
  readonly pool?: string;
}

/** A started one. */
export interface TestPlane {
  readonly running: RunningControlPlane;
  readonly engines: readonly FakeEngine[];
  readonly client: TestClient;
  /** Without `HOLDFAST_AUTH=keys`: empty. */
  readonly adminKey: string;
  readonly fatal: unknown[];
  readonly pool: string;
  stop(): Promise<void>;
}

const started = new Set<TestPlane>();

/** Stops what tests have left running, as those do that failed: an open handle would keep the run from ending. */
export const stopTestPlanes = async (): Promise<void> => {
  for (const plane of [...started]) await plane.stop();
};

/** Starts one; by default with one fake engine. */
export const startTestPlane = async (options: TestPlaneOptions = {}): Promise<TestPlane> => {
  const pool = options.pool ?? `pool-${randomUUID()}`;
  const config = readConfig({
    HOLDFAST_GRPC_ADDRESS: '127.0.0.1:0',
    HOLDFAST_HTTP_ADDRESS: '127.0.0.1:0',
    HOLDFAST_POOL: pool,
    HOLDFAST_LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    HOLDFAST_DRAIN_LIMIT: '200ms',
    // Tests of jobs ask for them; the others need not share theirs.
    HOLDFAST_ROLES: 'api,scheduler',
    ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
    ...options.env,
  });
  const clock = systemClock({ scale: config.HOLDFAST_TIME_SCALE });
  const engines = (options.engines ?? [{}]).map((engine, index) =>
    createFakeEngine({ engineId: `engine-${index}`, clock, eosOneIn: 0, ...engine }),
  );
  const fatal: unknown[] = [];
  const running = await startControlPlane({
    config,
    clock,
    logger: pino({ level: config.HOLDFAST_LOG_LEVEL }, pino.destination(2)),
    engines: engines.map(({ client }, index) => ({ engineId: `engine-${index}`, client })),
    // One that is registered later is a fake one too.
    openEngine: ({ address }) => ({
      engineId: address,
      client: createFakeEngine({ engineId: address, clock, eosOneIn: 0 }).client,
    }),
    // Tests that trace start and stop it themselves.
    telemetry: { stats: () => noSpanExports, shutdown: async () => undefined },
    onFatal: (error) => fatal.push(error),
  });
  const adminKey =
    config.HOLDFAST_AUTH === 'keys' ? (await readFile(config.HOLDFAST_ADMIN_KEY_FILE, 'utf8')).trim() : '';
  const client = new TestClient(running.grpcAddress, adminKey);
  const stop = async (): Promise<void> => {
    started.delete(plane);
    client.close();
    await running.stop();
  };
  const plane: TestPlane = { running, engines, client, adminKey, fatal, pool, stop };
  started.add(plane);
  return plane;
};

/** A failed call, with what its details say. */
export interface CallFailure {
  readonly code: number;
  readonly message: string;
  readonly details: StatusDetails | undefined;
}

/** What a turn's stream carried. */
export interface CollectedTurn {
  readonly events: readonly string[];
  readonly tokenIds: readonly number[];
  readonly text: string;
  readonly queued: wire.TurnQueued | undefined;
  readonly started: wire.TurnStarted | undefined;
  readonly finished: wire.TurnFinished;
}

type UnaryMethod = 'startProgram' | 'beginToolCall' | 'endToolCall' | 'endProgram' | 'getProgram' | 'listPrograms';
type RequestOf<Method extends UnaryMethod> = Parameters<
  (typeof wire.ProgramServiceService)[Method]['requestSerialize']
>[0];
type ResponseOf<Method extends UnaryMethod> = ReturnType<
  (typeof wire.ProgramServiceService)[Method]['responseDeserialize']
>;

/** The eight rpcs, as a test calls them. */
export class TestClient {
  readonly raw: wire.ProgramServiceClient;

  constructor(
    address: string,
    private readonly apiKey = '',
  ) {
    this.raw = new wire.ProgramServiceClient(address, credentials.createInsecure(), {
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': -1,
    });
  }

  /** A unary call; a missing request_id is filled in. */
  call<Method extends UnaryMethod>(
    method: Method,
    request: Partial<RequestOf<Method>>,
    metadata = new Metadata(),
  ): Promise<ResponseOf<Method>> {
    this.#addKey(metadata);
    const { path, requestSerialize, responseDeserialize } = wire.ProgramServiceService[method];
    const filled = { ...emptyRequests[method], requestId: randomUUID(), ...request };
    return new Promise((resolve, reject) => {
      this.raw.makeUnaryRequest(
        path,
        requestSerialize as (value: object) => Buffer,
        responseDeserialize as (bytes: Buffer) => ResponseOf<Method>,
        filled,
        metadata,
        (error, response) => (error === null ? resolve(response as ResponseOf<Method>) : reject(failureOf(error))),
      );
    });
  }

  /** Starts a program and returns its id. */
  async start(request: Partial<wire.StartProgramRequest> = {}): Promise<string> {
    const { program } = await this.call('startProgram', request);
    return program?.programId ?? '';
  }

  /** Opens a turn's stream. */
  openTurn(request: Partial<wire.RunTurnRequest>): ClientReadableStream<wire.RunTurnResponse> {
    return this.raw.runTurn(turnRequest(request), this.#addKey(new Metadata()));
  }

  /** Opens the stream of a program's states. Its failures are those of unary calls. */
  async *watch(programId: string): AsyncGenerator<wire.WatchProgramResponse> {
    const stream = this.raw.watchProgram({ programId }, this.#addKey(new Metadata()));
    try {
      for await (const message of stream as AsyncIterable<wire.WatchProgramResponse>) yield message;
    } catch (error) {
      throw failureOf(error as ServiceError);
    } finally {
      stream.cancel();
    }
  }

  #addKey(metadata: Metadata): Metadata {
    if (this.apiKey !== '') metadata.set('authorization', `Bearer ${this.apiKey}`);
    return metadata;
  }

  /** Runs a turn to its end. */
  turn(request: Partial<wire.RunTurnRequest>): Promise<CollectedTurn> {
    return collect(this.openTurn(request));
  }

  /** The failure of a call that has to fail. */
  async failure(call: Promise<unknown>): Promise<CallFailure> {
    try {
      await call;
    } catch (error) {
      return error as CallFailure;
    }
    throw new Error('the call succeeded');
  }

  close(): void {
    this.raw.close();
  }
}

/** Token ids 0, 1, 2... below 200. */
export const someIds = (count: number, from = 0): number[] =>
  Array.from({ length: count }, (_, index) => (from + index * 7) % 200);

/** Input of token ids. */
export const append = (ids: number[]): NonNullable<wire.RunTurnRequest['input']> => ({
  $case: 'append',
  value: { ids },
});

/** Input of a whole prompt. */
export const prompt = (ids: number[]): NonNullable<wire.RunTurnRequest['input']> => ({
  $case: 'prompt',
  value: { ids },
});

/** Exactly so many output tokens. */
export const exactly = (tokens: number): wire.Sampling => ({
  ...wire.Sampling.create(),
  maxTokens: tokens,
  ignoreEos: true,
});

/** A full request of a turn. */
export const turnRequest = (request: Partial<wire.RunTurnRequest>): wire.RunTurnRequest => ({
  requestId: randomUUID(),
  programId: '',
  input: append(someIds(40)),
  sampling: exactly(8),
  chunks: [],
  last: false,
  ...request,
});

/** Reads a turn's stream to its end. */
export const collect = async (stream: AsyncIterable<unknown>): Promise<CollectedTurn> => {
  const events: string[] = [];
  const tokenIds: number[] = [];
  let text = '';
  let queued: wire.TurnQueued | undefined;
  let started: wire.TurnStarted | undefined;
  let finished: wire.TurnFinished | undefined;
  try {
    for await (const message of stream as AsyncIterable<wire.RunTurnResponse>) {
      const { event } = message;
      if (event === undefined) continue;
      if (events.at(-1) !== event.$case) events.push(event.$case);
      if (event.$case === 'queued') queued = event.value;
      if (event.$case === 'started') started = event.value;
      if (event.$case === 'finished') finished = event.value;
      if (event.$case !== 'delta') continue;
      tokenIds.push(...event.value.tokenIds);
      text += event.value.text;
    }
  } catch (error) {
    throw failureOf(error as ServiceError);
  }
  if (finished === undefined) throw new Error(`the stream ended after ${events.join(', ')}`);
  return { events, tokenIds, text, queued, started, finished };
};

const failureOf = (error: ServiceError): CallFailure => {
  const [bytes] = error.metadata?.get(STATUS_DETAILS_KEY) ?? [];
  const details = bytes instanceof Buffer ? decodeStatusDetails(bytes) : undefined;
  return { code: error.code, message: error.details, details };
};

const emptyRequests: { readonly [Method in UnaryMethod]: RequestOf<Method> } = {
  startProgram: {
    requestId: '',
    programId: '',
    name: '',
    model: '',
    programClass: '',
    parentProgramId: '',
    idleLimit: undefined,
  },
  beginToolCall: { requestId: '', programId: '', toolCallId: '', tool: '', command: '', timeout: undefined },
  endToolCall: { requestId: '', programId: '', toolCallId: '', outcome: 0 },
  endProgram: { requestId: '', programId: '', outcome: 0, message: '' },
  getProgram: { programId: '' },
  listPrograms: { pageSize: 0, pageToken: '', states: [], startedAfter: undefined },
};
