import { type Client, Metadata } from '@grpc/grpc-js';
import { vllm } from '@holdfast/contracts';
import type { GenerateCall, GenerateEvent } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import { type SamplingFeature, requireSampling } from '../sampling-features.js';
import { GenerateProtocol } from './generate-protocol.js';
import { type GenerateRequestParts, serializeGenerateRequest } from './generate-request.js';
import { encodeHints } from './hints.js';
import { callSource, type MessageSource } from './message-source.js';
import type { VllmTimeouts } from './options.js';
import { pullMessages } from './pull-messages.js';
import type { RequestStreams } from './request-streams.js';
import { samplingToProto } from './sampling-to-proto.js';

/** What a Generate call needs of its client. */
export interface GenerateContext {
  readonly engineId: string;
  readonly client: Client;
  readonly timeouts: Required<VllmTimeouts>;
  /** True when the engine understands the hints. */
  readonly sendsHints: boolean;
  readonly samplingFeatures: readonly SamplingFeature[];
  readonly requestStreams: RequestStreams;
}

/** After `complete` the stream should end at once. An engine that forgets to end it loses the call, not the answer. */
const END_GRACE_MS = 1_000;

/** See `EngineClient.generate`. The call starts at the first pull. */
export async function* generate(call: GenerateCall, context: GenerateContext): AsyncGenerator<GenerateEvent, void> {
  const { engineId, client, timeouts } = context;
  const protocol = new GenerateProtocol({
    engineId,
    promptTokens: call.promptIds.length,
    maxTokens: call.sampling.maxTokens,
    logprobs: call.sampling.logprobs,
  });
  if (call.signal.aborted) {
    throw new EngineError({ reason: 'CALLER_CANCELLED', engineId, message: 'Generate: aborted before it was sent' });
  }
  requireSampling(call.sampling, { engineId, features: context.samplingFeatures });
  const source = startCall(call, context);
  let complete: GenerateEvent | undefined;
  const grace = { timer: undefined as NodeJS.Timeout | undefined, isOver: false };
  try {
    const pull = { engineId, method: 'Generate', client, signal: call.signal, idleMs: timeouts.streamIdleMs };
    for await (const message of pullMessages(source, { ...pull, firstMessageMs: timeouts.firstMessageMs })) {
      const event = protocol.accept(message);
      if (event?.type === 'complete') {
        // Held until the end of the stream, so that nothing can contradict it afterwards.
        complete = event;
        if (source.ended()) continue;
        grace.timer = setTimeout(() => {
          grace.isOver = true;
          source.cancel();
        }, END_GRACE_MS);
      } else if (event !== undefined) {
        yield event;
      }
    }
    protocol.end();
  } catch (error) {
    context.requestStreams.noteFailure(error);
    if (complete === undefined || !grace.isOver) throw error;
  } finally {
    clearTimeout(grace.timer);
  }
  if (complete !== undefined) yield complete;
}

const startCall = (call: GenerateCall, context: GenerateContext): MessageSource<vllm.GenerateResponse> => {
  const request = serializeGenerateRequest(toParts(call, context));
  const stream = request.length > LONGEST_STREAMED_BYTES ? undefined : context.requestStreams.current();
  if (stream !== undefined) return stream.start(request, call);
  const { path, responseDeserialize } = vllm.VllmEngineService.generate;
  const metadata = traceMetadata(call);
  return callSource(
    withoutStack(() => context.client.makeServerStreamRequest(path, asItIs, responseDeserialize, request, metadata)),
  );
};

/**
 * A longer one would keep other requests of the stream waiting while it is sent, and what is too large for a transport ends the
 * stream with it. The set-up of a call is nothing beside its prefill.
 */
const LONGEST_STREAMED_BYTES = 1_024 * 1_024;

const asItIs = (bytes: Buffer): Buffer => bytes;

/** grpc-js notes the caller's stack for each call, to show it with an error; an EngineError has its own, and says more. */
const withoutStack = <Result>(start: () => Result): Result => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return start();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
};

const toParts = (call: GenerateCall, { engineId, sendsHints }: GenerateContext): GenerateRequestParts => {
  if (call.promptIds.length === 0) {
    throw new EngineError({
      reason: 'PROMPT_EMPTY',
      engineId,
      message: 'promptIds has no tokens; at least 1 is needed',
    });
  }
  try {
    const sampling = samplingToProto(call.sampling);
    const parts = { requestId: call.requestId, promptIds: call.promptIds, sampling };
    return sendsHints ? { ...parts, hintsJson: encodeHints(call.hints, call.requestId) } : parts;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new EngineError({ reason: 'FIELD_INVALID', engineId, message: error.message, cause: error });
  }
};

/** W3C trace context as call metadata: vLLM's own spans then join the trace. */
const traceMetadata = ({ traceparent, tracestate }: GenerateCall): Metadata => {
  const metadata = new Metadata();
  if (traceparent !== undefined) metadata.set('traceparent', traceparent);
  if (traceparent !== undefined && tracestate !== undefined) metadata.set('tracestate', tracestate);
  return metadata;
};
