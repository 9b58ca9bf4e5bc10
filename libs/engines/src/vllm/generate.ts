import { type Client, type ClientReadableStream, Metadata } from '@grpc/grpc-js';
import { vllm } from '@holdfast/contracts';
import type { GenerateCall, GenerateEvent } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import { type SamplingFeature, requireSampling } from '../sampling-features.js';
import { GenerateProtocol } from './generate-protocol.js';
import { type GenerateRequestParts, serializeGenerateRequest } from './generate-request.js';
import { encodeHints } from './hints.js';
import type { VllmTimeouts } from './options.js';
import { pullMessages } from './pull-messages.js';
import { samplingToProto } from './sampling-to-proto.js';

/** What a Generate call needs of its client. */
export interface GenerateContext {
  readonly engineId: string;
  readonly client: Client;
  readonly timeouts: Required<VllmTimeouts>;
  /** True when the engine understands the hints. */
  readonly sendsHints: boolean;
  readonly samplingFeatures: readonly SamplingFeature[];
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
  const stream = startCall(call, context);
  let complete: GenerateEvent | undefined;
  const grace = { timer: undefined as NodeJS.Timeout | undefined, isOver: false };
  try {
    const pull = { engineId, method: 'Generate', client, signal: call.signal, idleMs: timeouts.streamIdleMs };
    for await (const message of pullMessages(stream, { ...pull, firstMessageMs: timeouts.firstMessageMs })) {
      const event = protocol.accept(message);
      if (event?.type === 'complete') {
        // Held until the end of the stream, so that nothing can contradict it afterwards.
        complete = event;
        grace.timer = setTimeout(() => {
          grace.isOver = true;
          stream.cancel();
        }, END_GRACE_MS);
      } else if (event !== undefined) {
        yield event;
      }
    }
    protocol.end();
  } catch (error) {
    if (complete === undefined || !grace.isOver) throw error;
  } finally {
    clearTimeout(grace.timer);
  }
  if (complete !== undefined) yield complete;
}

const startCall = (call: GenerateCall, context: GenerateContext): ClientReadableStream<vllm.GenerateResponse> => {
  const { path, responseDeserialize } = vllm.VllmEngineService.generate;
  const parts = toParts(call, context);
  const metadata = traceMetadata(call);
  return withoutStack(() =>
    context.client.makeServerStreamRequest(path, serializeGenerateRequest, responseDeserialize, parts, metadata),
  );
};

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
