import type { ServerWritableStream } from '@grpc/grpc-js';
import { tokenDigest } from '@holdfast/chunk-cache';
import { chunk } from '@holdfast/contracts';
import { DomainError } from '@holdfast/platform';
import { instant } from '@holdfast/scheduling';
import { stepMicros } from '@holdfast/simulation';
import type { EngineSettings } from '../engine-settings.js';
import { fingerprint, mix, unit } from '../output/mix.js';
import { planOutput, type OutputPlan } from '../output/output-plan.js';
import type { ChunkSettings } from './chunk-settings.js';
import type { EventLog } from './event-log.js';
import { modelledStats } from './modelled-stats.js';
import { planWork, prefillMicros, type PlanWork } from './plan-cost.js';
import { resolvePlan, type ResolvedSegment } from './resolve-plan.js';
import type { SerialLane } from './serial-lane.js';
import type { ShelfVariant, VariantShelf } from './variant-shelf.js';

/** What an execution works with. */
export interface ExecuteContext {
  readonly settings: EngineSettings;
  readonly chunks: ChunkSettings;
  readonly shelf: VariantShelf;
  readonly lane: SerialLane;
  readonly events: EventLog;
  /** Executed before this one. */
  readonly requests: bigint;
}

type ExecuteStream = ServerWritableStream<chunk.ExecuteRequest, chunk.ExecuteResponse>;

interface Execution {
  readonly request: chunk.ExecuteRequest;
  readonly segments: readonly ResolvedSegment[];
  readonly work: PlanWork;
  readonly output: OutputPlan;
}

/**
 * Runs a prompt by its plan, in modelled time, and streams the answer. The answer is that of the prompt, whatever was
 * reused; what reuse does to it is modelled as a divergence. Returns what the work is, for counting.
 */
export const execute = (call: ExecuteStream, context: ExecuteContext): PlanWork => {
  const { request } = call;
  const execution = accept(request, context);
  const { work, output } = execution;
  const { settings, chunks, lane } = context;
  const { loadBytesPerSecond, diskBytesPerSecond } = chunks;
  const { load, compute } = prefillMicros(work, { ...settings, loadBytesPerSecond, diskBytesPerSecond });
  const perToken = decodeMicros(request.tokenIds.length, settings);
  const decode = perToken * (output.outputTokens - 1);
  let cancel: () => void = () => undefined;
  const leave = lane.take({
    micros: load + compute + decode,
    begin: (at, waited) => {
      const timing = chunk.ExecuteTiming.fromPartial({
        queueMs: waited / 1e3,
        loadMs: load / 1e3,
        prefillMs: compute / 1e3,
        ttftMs: (load + compute) / 1e3,
        decodeMs: decode / 1e3,
      });
      cancel = stream(call, { firstAt: at + load + compute, perToken, timing, execution, context });
    },
    fail: (error) => call.emit('error', error),
  });
  call.on('cancelled', () => {
    cancel();
    leave();
  });
  return work;
};

const accept = (request: chunk.ExecuteRequest, { settings, chunks, shelf }: ExecuteContext): Execution => {
  const { tokenIds, salt, plan, sampling } = request;
  const room = settings.maxContextTokens - tokenIds.length;
  checkLength(tokenIds.length, settings.maxContextTokens);
  const segments = resolvePlan(plan, { shelf, salt, tokenIds, nonPrefix: chunks.nonPrefix });
  for (const { variant } of segments) if (variant !== null) shelf.used(variant);
  const output = planOutput({
    engineSeed: settings.seed,
    seed: Number(sampling?.seed ?? 0n),
    promptIds: Uint32Array.from(tokenIds),
    maxTokens: Math.min(sampling?.maxTokens || room, room),
    minTokens: 0,
    ignoreEos: sampling?.ignoreStopTokens ?? false,
    stopTokenIds: [],
    stopStrings: [],
  });
  return { request, segments, work: planWork(segments, plan?.requestFix), output };
};

const checkLength = (promptTokens: number, maxContextTokens: number): void => {
  if (promptTokens >= 1 && promptTokens < maxContextTokens) return;
  throw new DomainError({
    kind: 'invalid',
    reason: promptTokens === 0 ? 'PROMPT_EMPTY' : 'PROMPT_TOO_LONG',
    message: `token_ids has ${promptTokens} tokens; allowed: 1 to ${maxContextTokens - 1}`,
  });
};

const decodeMicros = (contextTokens: number, { stepTime }: EngineSettings): number =>
  stepMicros(stepTime, { prefillTokens: 0, prefillPairs: 0, decodeSequences: 1, decodeContextTokens: contextTokens });

interface Streaming {
  /** Model time of the first token, microseconds. */
  readonly firstAt: number;
  readonly perToken: number;
  readonly timing: chunk.ExecuteTiming;
  readonly execution: Execution;
  readonly context: ExecuteContext;
}

/** Returns what ends it early. */
const stream = (call: ExecuteStream, streaming: Streaming): (() => void) => {
  const { firstAt, perToken, execution, context } = streaming;
  const { outputTokens, tokenIdAt } = execution.output;
  let cancel: () => void = () => undefined;
  const step = (index: number): void => {
    const tokenId = tokenIdAt(index);
    call.write({ payload: { $case: 'token', value: { tokenId, text: String.fromCharCode(tokenId) } } });
    if (index + 1 < outputTokens) {
      cancel = context.lane.at(instant(Math.ceil(firstAt + perToken * (index + 1))), () => step(index + 1));
      return;
    }
    call.write({ payload: { $case: 'result', value: resultOf(streaming) } });
    call.end();
    context.events.add({ kind: chunk.EventKind.EXECUTED, requestId: execution.request.requestId });
  };
  cancel = context.lane.at(instant(Math.ceil(firstAt)), () => step(0));
  return () => cancel();
};

const resultOf = ({ timing, execution, context }: Streaming): chunk.ExecuteResult => {
  const { request, segments, work, output } = execution;
  const captured = (request.plan?.captures ?? []).flatMap((capture) => store(capture, execution, context) ?? []);
  return {
    ...chunk.ExecuteResult.create(),
    epoch: context.settings.epoch,
    segments: [...work.segments],
    promptTokens: request.tokenIds.length,
    computedTokens: work.computedTokens,
    reusedTokens: work.reusedTokens,
    prefixTokens: work.prefixTokens,
    outputTokens: output.outputTokens,
    stopped: output.finishReason === 'stop',
    timing,
    captured,
    shadow: request.shadow === chunk.ShadowMode.FULL_LOGITS ? shadowOf(execution, context, segments) : undefined,
  };
};

/** Damage of a mean over contexts beside that of one context: `neutral-store` beside `system-store` of docs/chunk-quality.md. */
const MEAN_DAMAGE = 0.4;

/** Divergence grows with what is reused and not repaired, and falls faster than the share of it that is repaired. */
const shadowOf = (
  { request, work, output }: Execution,
  { chunks, requests }: ExecuteContext,
  segments: readonly ResolvedSegment[],
): chunk.ShadowResult => {
  const exposed = work.segments.reduce((sum, { reusedTokens, recomputedTokens }, index) => {
    if (segments[index]!.kind !== 'reuse') return sum;
    const length = reusedTokens + recomputedTokens;
    const off = segments[index]!.variant?.isMean === true ? MEAN_DAMAGE : 1;
    return sum + off * length * (reusedTokens / length) ** 1.5;
  }, 0);
  const luck = unit(mix(fingerprint(2, Uint32Array.from(request.tokenIds)), 0x5ad0));
  const klPerToken = (chunks.damageNats(requests) * exposed * (0.5 + luck)) / request.tokenIds.length;
  return chunk.ShadowResult.fromPartial({
    klPerToken,
    klMax: 3 * klPerToken,
    sameTopShare: Math.exp(-klPerToken),
    tokenCount: output.outputTokens,
  });
};

const store = (
  { segmentId, variant, onlyIfCanonical }: chunk.Capture,
  { request, segments }: Execution,
  { shelf, chunks }: ExecuteContext,
): ShelfVariant | null => {
  const index = segments.findIndex((segment) => segment.segmentId === segmentId);
  const segment = segments[index];
  if (segment === undefined || variant === undefined || variant.salt !== request.salt) return null;
  const canonical = segments.slice(0, index + 1).every(({ kind }) => kind !== 'reuse');
  if (onlyIfCanonical && !canonical) return null;
  const { start, end } = segment;
  const tokenIds = request.tokenIds.slice(start, end);
  return shelf.put({
    spec: variant,
    tokenDigest: Buffer.from(tokenDigest(tokenIds), 'hex'),
    tokenCount: end - start,
    builtAt: start,
    bytes: BigInt((end - start) * chunks.kvBytesPerToken),
    canonical,
    pinned: false,
    stats: modelledStats(tokenIds, variant.prefixChunkIds),
    prefixDigest: canonical ? tokenDigest(request.tokenIds.slice(0, start)) : null,
    isMean: false,
  });
};
