/** The span of a request, below the caller's: named and described as vLLM's own (`vllm/tracing`), without its queue time. */
import type { Metadata } from '@grpc/grpc-js';
import { attributes, extractTrace } from '@holdfast/platform';
import { type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

const tracer = trace.getTracer('@holdfast/sim-engine');

/** What a request's span starts with. */
export interface RequestSpanInit {
  /** Of the call; without a trace context in it nothing is recorded. */
  readonly metadata: Metadata;
  readonly requestId: string;
  readonly promptTokens: number;
}

/** One request inside the engine. */
export class RequestSpan {
  readonly #span: Span | null;
  readonly #startedAtMs = performance.now();
  #hasOutput = false;

  constructor({ metadata, requestId, promptTokens }: RequestSpanInit) {
    const parent = extractTrace(metadata);
    // An engine begins no traces: a caller without one wants none.
    this.#span =
      trace.getSpanContext(parent) === undefined
        ? null
        : tracer.startSpan(
            'llm_request',
            {
              kind: SpanKind.SERVER,
              attributes: { 'gen_ai.request.id': requestId, 'gen_ai.usage.prompt_tokens': promptTokens },
            },
            parent,
          );
  }

  /** Modifies state. Tokens came out. */
  output(): void {
    if (this.#hasOutput) return;
    this.#hasOutput = true;
    this.#span?.setAttribute('gen_ai.latency.time_to_first_token', this.#elapsedSeconds());
  }

  /** Modifies state. */
  finished(tokens: { readonly outputTokens: number; readonly cachedTokens: number }): void {
    this.#span?.setAttributes({
      'gen_ai.usage.completion_tokens': tokens.outputTokens,
      'gen_ai.latency.e2e': this.#elapsedSeconds(),
      [attributes.cachedTokens]: tokens.cachedTokens,
    });
    this.#span?.end();
  }

  /** Modifies state. Ended by the caller or with the engine. Nothing happens when it has ended already. */
  aborted(): void {
    if (this.#span?.isRecording() !== true) return;
    this.#span.setAttribute(attributes.errorType, 'aborted');
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: 'aborted' });
    this.#span.end();
  }

  #elapsedSeconds(): number {
    return (performance.now() - this.#startedAtMs) / 1_000;
  }
}
