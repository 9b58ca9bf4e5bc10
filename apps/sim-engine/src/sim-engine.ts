import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { chunk, engine, kv, reflectedFiles, vllm } from '@holdfast/contracts';
import { type Clock, DomainError, type ErrorLogger } from '@holdfast/platform';
import { EngineModel } from '@holdfast/simulation';
import { HealthImplementation } from 'grpc-health-check';
import { ChunkEngineService } from './chunk/chunk-engine-service.js';
import { EngineDriver } from './engine-driver.js';
import type { EngineSettings } from './engine-settings.js';
import { kvControlService } from './kv/kv-control-service.js';
import { PinWatch } from './kv/pin-watch.js';
import { statsToProto } from './kv/pin-mapping.js';
import { RequestStreamService } from './request-stream/request-stream-service.js';
import { ThroughputMeter } from './throughput-meter.js';
import { tokenizerArchive } from './tokenizer/tokenizer-archive.js';
import { KvEventFeed } from './vllm/kv-event-feed.js';
import { engineLoad } from './vllm/load-report.js';
import { VllmEngineService } from './vllm/vllm-engine-service.js';

/** What a simulated engine needs to serve. */
export interface SimEngineOptions {
  readonly settings: EngineSettings;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Model time. */
  readonly clock: Clock;
  readonly version: string;
  readonly logger: ErrorLogger;
}

/** A serving engine. */
export interface SimEngine {
  /** `host:port`. */
  readonly address: string;
  readonly epoch: string;
  /** Ends live calls with UNAVAILABLE and stops. Resolves when the port is closed, within about a second. */
  close(): Promise<void>;
}

const VLLM_SERVICE = 'vllm.grpc.engine.VllmEngine';
const KV_SERVICE = 'holdfast.kv.v1.KvControl';
const REQUEST_STREAM_SERVICE = 'holdfast.engine.v1.RequestStreamService';
const CHUNK_SERVICE = 'holdfast.chunk.v1.ChunkEngineService';

const MAX_MESSAGE_BYTES = 64 * 1_024 * 1_024;

/** How long calls may take to hear of the end before their connections are cut. */
const CLOSE_GRACE_MS = 1_000;

/** Starts an engine: the model, its driver, and its services on one port. */
export const startSimEngine = async (options: SimEngineOptions): Promise<SimEngine> => {
  const { engineService, watch, feed, driver } = buildEngine(options);
  const { settings, version, logger } = options;
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  });
  server.addService(vllm.VllmEngineService, engineService.handlers());
  server.addService(kv.KvControlService, kvControlService({ driver, settings, watch, version, logger }));
  const requestStreams = new RequestStreamService({ generate: (peer) => engineService.generate(peer), logger });
  server.addService(engine.RequestStreamServiceService, requestStreams.handlers());
  const chunks = chunkService(options);
  if (chunks !== null) server.addService(chunk.ChunkEngineServiceService, chunks.handlers());
  const services = [VLLM_SERVICE, KV_SERVICE, REQUEST_STREAM_SERVICE, ...(chunks === null ? [] : [CHUNK_SERVICE])];
  const health = new HealthImplementation(Object.fromEntries(['', ...services].map((name) => [name, 'SERVING'])));
  health.addToServer(server);
  new ReflectionService(reflectedFiles(), { services }).addToServer(server);
  const address = await bind(server, options);
  return {
    address,
    epoch: settings.epoch,
    close: () => {
      for (const name of ['', ...services]) health.setStatus(name, 'NOT_SERVING');
      const ending = draining();
      engineService.close(ending);
      requestStreams.close(ending);
      chunks?.close(ending);
      watch.close(ending);
      feed.close(ending);
      driver.close();
      return shutDown(server);
    },
  };
};

const chunkService = ({ settings, clock, version, logger }: SimEngineOptions): ChunkEngineService | null =>
  settings.chunks === undefined
    ? null
    : new ChunkEngineService({
        settings,
        chunks: settings.chunks,
        clock,
        archive: tokenizerArchive(settings),
        version,
        logger,
      });

interface BuiltEngine {
  readonly driver: EngineDriver;
  readonly engineService: VllmEngineService;
  readonly watch: PinWatch;
  readonly feed: KvEventFeed;
}

const buildEngine = ({ settings, clock, version, logger }: SimEngineOptions): BuiltEngine => {
  const meter = new ThroughputMeter();
  const driver: EngineDriver = new EngineDriver({
    clock,
    createModel: () => new EngineModel(settings),
    onEvents: (events, at) => {
      watch.publish(events, at);
      feed.publish(events);
    },
    onProgress: (outputTokens, at) => meter.add(outputTokens, at),
  });
  const watch: PinWatch = new PinWatch({
    clock,
    stats: () => statsToProto(driver.stats(), settings.epoch, settings.blockTokens),
  });
  const feed: KvEventFeed = new KvEventFeed({
    clock,
    blockTokens: settings.blockTokens,
    heartbeatMs: settings.statsIntervalMs,
    load: (record) => engineLoad(engineService.loadFigures(), settings, record),
  });
  const engineService: VllmEngineService = new VllmEngineService({
    driver,
    settings,
    feed,
    version,
    logger,
    archive: tokenizerArchive(settings),
    tokensPerSecond: () => meter.tokensPerSecond(clock.now()),
  });
  return { driver, engineService, watch, feed };
};

const bind = (server: Server, { host, port }: SimEngineOptions): Promise<string> =>
  new Promise((resolve, reject) => {
    const authority = host.includes(':') ? `[${host}]` : host;
    server.bindAsync(`${authority}:${port}`, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve(`${authority}:${boundPort satisfies AddressInfo['port']}`);
      else reject(new Error(`cannot listen on ${authority}:${port}: ${error.message}`, { cause: error }));
    });
  });

const shutDown = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    const cut = setTimeout(() => server.forceShutdown(), CLOSE_GRACE_MS);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });

const draining = (): DomainError =>
  new DomainError({ kind: 'unavailable', reason: 'DRAINING', message: 'the engine is shutting down' });
