import { Metadata } from '@grpc/grpc-js';
import { chunk } from '@holdfast/contracts';
import type { GenerateCall, GenerateEvent } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import { requireSampling } from '../sampling-features.js';
import { callSource } from '../vllm/message-source.js';
import { pullMessages } from '../vllm/pull-messages.js';
import type { ChunkLink } from './chunk-link.js';
import type { ChunkWork } from './chunk-operations.js';
import { CHUNK_SAMPLING_FEATURES } from './describe-engine.js';

/** See `EngineClient.generate`. Without `chunks` everything is computed. */
export async function* execute(link: ChunkLink, call: GenerateCall): AsyncGenerator<GenerateEvent, void> {
  const { engineId, client, timeouts } = link;
  if (call.promptIds.length === 0) {
    throw new EngineError({
      reason: 'PROMPT_EMPTY',
      engineId,
      message: 'promptIds has no tokens; at least 1 is needed',
    });
  }
  requireSampling(call.sampling, { engineId, features: CHUNK_SAMPLING_FEATURES });
  const stream = client.execute(requestOf(call), traceMetadata(call));
  const { firstMessageMs, streamIdleMs: idleMs } = timeouts;
  const outputIds: number[] = [];
  const pull = { engineId, method: 'Execute', client, firstMessageMs, idleMs, signal: call.signal };
  for await (const { payload } of pullMessages(callSource(stream), pull)) {
    if (payload?.$case === 'token') {
      outputIds.push(payload.value.tokenId);
      // What was taken as stored is known at the end only.
      yield { type: 'tokens', tokenIds: [payload.value.tokenId], cachedTokens: 0 };
    } else if (payload?.$case === 'result') {
      const result = payload.value;
      checkResult(engineId, result, call.promptIds.length);
      yield {
        type: 'complete',
        finishReason: result.stopped ? 'stop' : 'length',
        promptTokens: result.promptTokens,
        cachedTokens: result.reusedTokens,
        outputIds,
        chunks: result,
      };
      return;
    }
  }
  throw new EngineError({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId, message: 'Execute: the answer has no result' });
}

/** A turn without chunks: for any epoch and model. */
const NO_CHUNKS: Omit<ChunkWork, 'plan'> & { readonly plan: chunk.Plan | undefined } = {
  ...{ epoch: '', fingerprint: '', salt: '' },
  plan: undefined,
  isShadowed: false,
};

const requestOf = (call: GenerateCall): chunk.ExecuteRequest => requestWith(call, call.chunks ?? NO_CHUNKS);

const requestWith = (
  { requestId, promptIds, sampling }: GenerateCall,
  { epoch, fingerprint, salt, plan, isShadowed }: typeof NO_CHUNKS,
): chunk.ExecuteRequest => ({
  requestId,
  epoch,
  fingerprint,
  salt,
  tokenIds: Array.from(promptIds),
  plan,
  sampling: {
    maxTokens: sampling.maxTokens,
    temperature: sampling.temperature ?? 0,
    seed: BigInt(Math.max(0, sampling.seed ?? 0)),
    ignoreStopTokens: sampling.ignoreEos ?? false,
    forcedTokenIds: [],
  },
  shadow: isShadowed ? chunk.ShadowMode.FULL_LOGITS : chunk.ShadowMode.NONE,
  stats: [],
  deadlineMs: 0,
});

/** The protocol's invariants: an engine that breaks them has served something else than it says. */
const checkResult = (engineId: string, result: chunk.ExecuteResult, promptTokens: number): void => {
  const { segments, computedTokens, reusedTokens } = result;
  const sums = segments.reduce(
    (total, { reusedTokens: reused, recomputedTokens: recomputed }) => ({
      reused: total.reused + reused,
      computed: total.computed + recomputed,
    }),
    { reused: 0, computed: 0 },
  );
  const isWhole =
    sums.reused === reusedTokens &&
    sums.computed === computedTokens &&
    reusedTokens + computedTokens === promptTokens &&
    result.promptTokens === promptTokens &&
    (segments.at(-1)?.reusedTokens ?? 0) === 0;
  if (isWhole) return;
  const message =
    `Execute: of ${promptTokens} prompt tokens ${reusedTokens} were reused and ${computedTokens} computed, by segments ` +
    `${sums.reused} and ${sums.computed}; they have to sum to the prompt, and its last segment is computed`;
  throw new EngineError({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId, message });
};

const traceMetadata = ({ traceparent, tracestate }: GenerateCall): Metadata => {
  const metadata = new Metadata();
  if (traceparent !== undefined) metadata.set('traceparent', traceparent);
  if (traceparent !== undefined && tracestate !== undefined) metadata.set('tracestate', tracestate);
  return metadata;
};
