import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ClientReadableStream, credentials, type Metadata, type ServiceError } from '@grpc/grpc-js';
import { decodeStatusDetails, kv, STATUS_DETAILS_KEY, type StatusDetails, vllm } from '@holdfast/contracts';
import { type Clock, ManualClock, systemClock } from '@holdfast/platform';
import { type Duration, instant, millis } from '@holdfast/scheduling';
import { engineProfile } from '@holdfast/simulation';
import type { EngineSettings } from '../src/engine-settings.js';
import { type SimEngine, startSimEngine } from '../src/sim-engine.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

const MESSAGE_LIMITS = {
  'grpc.max_receive_message_length': 64 * 1_024 * 1_024,
  'grpc.max_send_message_length': 64 * 1_024 * 1_024,
};

export const testSettings = (overrides: Partial<EngineSettings> = {}): EngineSettings => ({
  model: 'sim-test',
  profile: 'h100-llama-3.1-8b',
  totalBlocks: 256,
  blockTokens: 16,
  maxRunningRequests: 64,
  tokenBudget: 2_048,
  maxContextTokens: 4_096,
  vocabularySize: 128_256,
  maxPinnedFraction: 0.95,
  stepTime: engineProfile('h100-llama-3.1-8b').stepTime,
  host: { blocks: 0, reloadMicrosPerToken: 0 },
  epoch: 'epoch-1',
  seed: 1,
  toolCallsPerTask: 0,
  statsIntervalMs: 1_000,
  ...overrides,
});

export interface Answer {
  readonly chunks: readonly vllm.GenerateStreamChunk[];
  readonly complete: vllm.GenerateComplete | undefined;
}

/** What a request of a test says; the rest is as a plain caller would send it. */
export interface AskOptions {
  readonly promptIds?: readonly number[];
  readonly text?: string;
  readonly requestId?: string;
  readonly stream?: boolean;
  readonly sampling?: Partial<vllm.SamplingParams>;
  readonly hints?: object;
  readonly kvTransferParamsJson?: string;
  readonly dataParallelRank?: number;
}

let requests = 0;

export const generateRequest = (options: AskOptions = {}): vllm.GenerateRequest => {
  const { promptIds, text, hints, sampling, stream, requestId, kvTransferParamsJson, dataParallelRank } = options;
  const json = hints === undefined ? kvTransferParamsJson : JSON.stringify({ holdfast: hints });
  requests += 1;
  return vllm.GenerateRequest.fromPartial({
    requestId: requestId ?? `request-${requests}`,
    input:
      text === undefined
        ? { $case: 'tokenized', value: { inputIds: [...(promptIds ?? [1, 2, 3])], originalText: '' } }
        : { $case: 'text', value: text },
    samplingParams: { maxTokens: 8, ignoreEos: true, ...sampling },
    stream: stream ?? true,
    ...(json === undefined ? {} : { kvTransferParamsJson: json }),
    ...(dataParallelRank === undefined ? {} : { dataParallelRank }),
  });
};

/** Collects a Generate call to its end; rejects with its ServiceError. */
export const collect = (call: ClientReadableStream<vllm.GenerateResponse>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const chunks: vllm.GenerateStreamChunk[] = [];
    let complete: vllm.GenerateComplete | undefined;
    call.on('data', ({ response }: vllm.GenerateResponse) => {
      if (response?.$case === 'chunk') chunks.push(response.value);
      else complete = response?.value;
    });
    call.on('error', reject);
    call.on('end', () => resolve({ chunks, complete }));
  });

/** The details of a failed call. */
export const detailsOf = (error: unknown): StatusDetails | undefined => {
  const [bytes] = (error as { readonly metadata: Metadata }).metadata.get(STATUS_DETAILS_KEY);
  return Buffer.isBuffer(bytes) ? decodeStatusDetails(bytes) : undefined;
};

/** Settles with the error of a call that must fail. */
export const failureOf = (call: Promise<unknown>): Promise<ServiceError> =>
  call.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: ServiceError) => error,
  );

type Callback<Response> = (error: ServiceError | null, response: Response) => void;

const promised =
  <Request, Response>(method: (request: Request, callback: Callback<Response>) => unknown) =>
  (request: Request): Promise<Response> =>
    new Promise((resolve, reject) => {
      method(request, (error, response) => (error === null ? resolve(response) : reject(error)));
    });

const DEADLINE_MS = 10_000;

/** Asks again and again until it is so; fails after ten seconds, which is far beyond what any answer takes. */
export const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not so within ${DEADLINE_MS} ms: ${String(isSo)}`);
    await nextTurn();
  }
};

/** A real engine on a free loopback port with clients, on a clock the test moves or on the system's. */
export class TestEngine {
  readonly vllm: vllm.VllmEngineClient;
  readonly kv: kv.KvControlClient;

  private constructor(
    readonly engine: SimEngine,
    readonly settings: EngineSettings,
    readonly clock: Clock,
  ) {
    this.vllm = new vllm.VllmEngineClient(engine.address, credentials.createInsecure(), MESSAGE_LIMITS);
    this.kv = new kv.KvControlClient(engine.address, credentials.createInsecure(), MESSAGE_LIMITS);
  }

  static async start(
    overrides: Partial<EngineSettings> = {},
    clock: Clock = systemClock({ scale: 1_000 }),
  ): Promise<TestEngine> {
    const settings = testSettings(overrides);
    const engine = await startSimEngine({
      settings,
      clock,
      host: '127.0.0.1',
      port: 0,
      version: '0.1.0',
      logger: silent,
    });
    return new TestEngine(engine, settings, clock);
  }

  /** An engine whose time moves only by {@link pass} and {@link settled}. */
  static startManual(overrides: Partial<EngineSettings> = {}): Promise<TestEngine> {
    return TestEngine.start(overrides, new ManualClock(instant(1_000_000_000_000)));
  }

  async stop(): Promise<void> {
    this.vllm.close();
    this.kv.close();
    await this.engine.close();
  }

  /** One request to its end. */
  ask(options: AskOptions = {}): Promise<Answer> {
    const answer = collect(this.vllm.generate(generateRequest(options)));
    return this.clock instanceof ManualClock ? this.settled(answer) : answer;
  }

  /** Moves a manual clock while requests are in the engine, until the promise settles. */
  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    let isPending = true;
    const outcome = promise.finally(() => (isPending = false));
    outcome.catch(() => undefined);
    await until(async () => {
      if (isPending && (await this.serverInfo({})).activeRequests > 0) await this.pass(millis(5));
      return !isPending;
    });
    return outcome;
  }

  /** Moves a manual clock and lets the engine catch up. */
  async pass(length: Duration): Promise<void> {
    (this.clock as ManualClock).advance(length);
    await nextTurn();
  }

  readonly serverInfo = promised<vllm.GetServerInfoRequest, vllm.GetServerInfoResponse>((request, callback) =>
    this.vllm.getServerInfo(request, callback),
  );
  readonly modelInfo = promised<vllm.GetModelInfoRequest, vllm.GetModelInfoResponse>((request, callback) =>
    this.vllm.getModelInfo(request, callback),
  );
  readonly loads = promised<vllm.GetLoadsRequest, vllm.GetLoadsResponse>((request, callback) =>
    this.vllm.getLoads(request, callback),
  );
  readonly healthCheck = promised<vllm.HealthCheckRequest, vllm.HealthCheckResponse>((request, callback) =>
    this.vllm.healthCheck(request, callback),
  );
  readonly abort = promised<vllm.AbortRequest, vllm.AbortResponse>((request, callback) =>
    this.vllm.abort(request, callback),
  );
  readonly flushCache = promised<vllm.FlushCacheRequest, vllm.FlushCacheResponse>((request, callback) =>
    this.vllm.flushCache(request, callback),
  );
  readonly info = promised<kv.GetInfoRequest, kv.GetInfoResponse>((request, callback) =>
    this.kv.getInfo(request, callback),
  );
  readonly pin = promised<kv.PinRequest, kv.PinResponse>((request, callback) => this.kv.pin(request, callback));
  readonly renew = promised<kv.RenewRequest, kv.RenewResponse>((request, callback) => this.kv.renew(request, callback));
  readonly release = promised<kv.ReleaseRequest, kv.ReleaseResponse>((request, callback) =>
    this.kv.release(request, callback),
  );
  readonly rerank = promised<kv.RerankRequest, kv.RerankResponse>((request, callback) =>
    this.kv.rerank(request, callback),
  );
  readonly listPins = promised<kv.ListPinsRequest, kv.ListPinsResponse>((request, callback) =>
    this.kv.listPins(request, callback),
  );
  readonly stats = promised<kv.GetStatsRequest, kv.GetStatsResponse>((request, callback) =>
    this.kv.getStats(request, callback),
  );
}
