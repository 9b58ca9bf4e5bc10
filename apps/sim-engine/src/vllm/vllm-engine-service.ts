import type { ServerWritableStream } from '@grpc/grpc-js';
import type { vllm } from '@holdfast/contracts';
import { DomainError, type ErrorLogger, invalidFields } from '@holdfast/platform';
import { seconds } from '@holdfast/scheduling';
import type { EngineDriver } from '../engine-driver.js';
import type { EngineSettings } from '../engine-settings.js';
import { streaming, unary } from '../grpc-handlers.js';
import type { TokenizerArchive } from '../tokenizer/tokenizer-archive.js';
import { acceptRequest } from './accepted-request.js';
import { modelInfo, serverInfo } from './engine-info.js';
import { callPeer, type GeneratePeer } from './generate-peer.js';
import { GenerateReply } from './generate-reply.js';
import type { KvEventFeed } from './kv-event-feed.js';
import { type LoadFigures, schedulerLoad } from './load-report.js';
import { RequestSpan } from './request-span.js';

/** What the service is made of. */
export interface VllmEngineOptions {
  readonly driver: EngineDriver;
  readonly settings: EngineSettings;
  readonly feed: KvEventFeed;
  readonly archive: TokenizerArchive;
  readonly version: string;
  readonly logger: ErrorLogger;
  /** Output tokens per second of model time. */
  readonly tokensPerSecond: () => number;
}

/** Requests inside the engine, waiting ones included. */
const MAX_LIVE_REQUESTS = 10_000;

const TOKENIZER_CHUNK_BYTES = 64 * 1_024;

/** A request that waits or runs. */
interface LiveRequest {
  readonly reply: GenerateReply;
  readonly span: RequestSpan;
  readonly promptTokens: number;
}

/** vllm.grpc.engine.VllmEngine over an engine model. */
export class VllmEngineService {
  private readonly live = new Map<string, LiveRequest>();
  private readonly startedAtMs = performance.now();
  private lastReceivedAtMs = 0;
  private anonymousRequests = 0;

  constructor(private readonly options: VllmEngineOptions) {}

  /** The handlers. */
  handlers(): vllm.VllmEngineServer {
    const { logger, feed } = this.options;
    return {
      generate: streaming(logger, (call) => this.generate(callPeer(call))),
      healthCheck: unary(logger, () => ({ healthy: true, message: 'serving' })),
      flushCache: unary(logger, () => this.flushCache()),
      abort: unary(logger, (request: vllm.AbortRequest) => this.abort(request)),
      getModelInfo: unary(logger, () => modelInfo(this.options.settings)),
      getServerInfo: unary(logger, () =>
        serverInfo(this.options.settings, {
          activeRequests: this.live.size,
          lastReceivedAtMs: this.lastReceivedAtMs,
          uptimeSeconds: (performance.now() - this.startedAtMs) / 1_000,
        }),
      ),
      getLoads: unary(logger, (request: vllm.GetLoadsRequest) => this.getLoads(request)),
      getTokenizer: streaming(logger, (call) => this.getTokenizer(call)),
      subscribeKvEvents: streaming(logger, (call) => feed.subscribe(call)),
    };
  }

  /** The engine's load now. */
  loadFigures(): LoadFigures {
    const { driver, tokensPerSecond } = this.options;
    const stats = driver.stats();
    let prefillPendingTokens = 0;
    for (const { reply, promptTokens } of this.live.values())
      if (!reply.hasOutput) prefillPendingTokens += promptTokens;
    return {
      stats,
      tokensPerSecond: tokensPerSecond(),
      waitingUncachedTokens: driver.apply((model) => model.waitingUncachedTokens()),
      prefillPendingTokens,
    };
  }

  /** Ends every live request with an error. Modifies state. */
  close(error: unknown): void {
    for (const [requestId, { reply, span }] of this.live) {
      this.options.driver.abort(requestId);
      span.aborted();
      reply.fail(error);
    }
    this.live.clear();
  }

  /**
   * Runs a request until its answer has ended. Modifies state.
   *
   * @throws DomainError for a request that the engine does not take.
   */
  generate(peer: GeneratePeer): void {
    const { driver, settings } = this.options;
    this.lastReceivedAtMs = Date.now();
    const requestId = this.requestIdOf(peer.request);
    const accepted = acceptRequest(peer.request, settings);
    const reply = new GenerateReply(peer, accepted, settings.epoch);
    const { promptIds, plan, hints } = accepted;
    const span = new RequestSpan({ metadata: peer.metadata, requestId, promptTokens: promptIds.length });
    peer.onCancelled(() => {
      reply.close();
      if (this.live.get(requestId)?.reply !== reply) return;
      this.live.delete(requestId);
      driver.abort(requestId);
      span.aborted();
    });
    this.live.set(requestId, { reply, span, promptTokens: promptIds.length });
    driver.submit(
      {
        requestId,
        promptIds,
        outputTokens: plan.outputTokens,
        outputIdAt: plan.tokenIdAt,
        // Without hints all ranks are equal, and the order is that of arrival.
        rank: hints?.rank ?? 0,
        bid: hints?.bid ?? 0,
        ...(hints === undefined ? {} : { programId: hints.programId, isLast: hints.isLast }),
        ...(hints?.pin === undefined ? {} : { pin: hints.pin }),
      },
      {
        onTokens: (tokenIds, cachedTokens) => {
          span.output();
          reply.onTokens(tokenIds, cachedTokens);
        },
        onFinished: (finished, at) => {
          this.live.delete(requestId);
          span.finished(finished);
          reply.onFinished(finished, at);
        },
      },
    );
  }

  private requestIdOf({ requestId }: vllm.GenerateRequest): string {
    if (this.live.size >= MAX_LIVE_REQUESTS) {
      throw new DomainError({
        kind: 'exhausted',
        reason: 'QUEUE_FULL',
        message: `${this.live.size} requests are in the engine; allowed: ${MAX_LIVE_REQUESTS}`,
        retryAfter: seconds(1),
      });
    }
    if (requestId === '') {
      this.anonymousRequests += 1;
      return `anonymous-${this.anonymousRequests}`;
    }
    if (this.live.has(requestId)) {
      const description = `is "${requestId}", which is in the engine already; allowed: an id that is not`;
      throw invalidFields([{ field: 'request_id', description }]);
    }
    return requestId;
  }

  private abort({ requestIds }: vllm.AbortRequest): vllm.AbortResponse {
    for (const requestId of requestIds) {
      const request = this.live.get(requestId);
      if (request === undefined) continue;
      // Steps that were due complete first, so the request may end by itself here.
      if (!this.options.driver.abort(requestId)) continue;
      this.live.delete(requestId);
      request.span.aborted();
      request.reply.onAborted();
    }
    return {};
  }

  private flushCache(): vllm.FlushCacheResponse {
    const { driver, feed } = this.options;
    if (!driver.flush()) {
      return { success: false, message: `${driver.liveRequests} requests use the cache; abort them or wait` };
    }
    feed.publishCleared();
    return { success: true, message: 'cache flushed' };
  }

  private getLoads({ dpRank }: vllm.GetLoadsRequest): vllm.GetLoadsResponse {
    if (dpRank !== undefined && dpRank !== 0) {
      throw invalidFields([{ field: 'dp_rank', description: `is ${dpRank}; allowed: 0, the engine has one rank` }]);
    }
    return {
      timestamp: new Date().toISOString(),
      version: this.options.version,
      dpRankCount: 1,
      loads: [schedulerLoad(this.loadFigures(), this.options.settings)],
    };
  }

  private getTokenizer(call: ServerWritableStream<vllm.GetTokenizerRequest, vllm.GetTokenizerChunk>): void {
    const { bytes, sha256 } = this.options.archive;
    for (let start = 0; start < bytes.length; start += TOKENIZER_CHUNK_BYTES) {
      const end = start + TOKENIZER_CHUNK_BYTES;
      call.write({ data: Buffer.from(bytes.subarray(start, end)), sha256: end >= bytes.length ? sha256 : '' });
    }
    call.end();
  }
}
