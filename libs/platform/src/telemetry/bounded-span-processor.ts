/**
 * Sends ended spans in batches, beside the work they describe.
 *
 * Invariants: `onEnd` never waits and never throws; at most `maxQueued` spans are held and one batch more is on its way;
 * what does not fit is dropped and counted; a receiver that is away or hangs costs one request at a time, each bounded
 * by the exporter's own timeout.
 */
import { context, TraceFlags } from '@opentelemetry/api';
import { ExportResultCode, suppressTracing } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-node';

/** What became of the spans of this process, counted since its start. */
export interface SpanExportStats {
  /** Taken by the receiver. */
  readonly exportedSpans: number;
  /** Dropped because too many waited. */
  readonly droppedSpans: number;
  /** Refused by the receiver, or it could not be reached. */
  readonly failedSpans: number;
  /** Waiting now. */
  readonly queuedSpans: number;
}

/** Options of {@link BoundedSpanProcessor}. */
export interface BoundedSpanProcessorOptions {
  readonly exporter: SpanExporter;
  /** Spans that may wait. */
  readonly maxQueued: number;
  /** Spans in one request. */
  readonly maxBatch: number;
  /** How long spans gather before they are sent, in milliseconds; a full batch goes at once. */
  readonly gatherMillis: number;
}

/** See the file header. */
export class BoundedSpanProcessor implements SpanProcessor {
  readonly #options: BoundedSpanProcessorOptions;
  #queue: ReadableSpan[] = [];
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #exportedSpans = 0;
  #droppedSpans = 0;
  #failedSpans = 0;

  constructor(options: BoundedSpanProcessorOptions) {
    this.#options = options;
  }

  /** Pure. */
  get stats(): SpanExportStats {
    return {
      exportedSpans: this.#exportedSpans,
      droppedSpans: this.#droppedSpans,
      failedSpans: this.#failedSpans,
      queuedSpans: this.#queue.length,
    };
  }

  /** Nothing happens at a span's start. */
  onStart(): void {
    // The interface wants it.
  }

  /** Modifies state. Never waits. */
  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
    if (this.#stopping !== null || this.#queue.length >= this.#options.maxQueued) {
      this.#droppedSpans += 1;
      return;
    }
    this.#queue.push(span);
    this.#arm();
  }

  /** Resolves when all spans that had ended before the call were sent or given up. Modifies state. */
  async forceFlush(): Promise<void> {
    await this.#sending;
    while (this.#queue.length > 0) await this.#send();
  }

  /** Sends what waits, one batch after the other, until one fails; then takes nothing more. May be called again. */
  shutdown(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#disarm();
    await this.#sending;
    const failedBefore = this.#failedSpans;
    // A receiver that is away must not hold the process once for every batch.
    while (this.#queue.length > 0 && this.#failedSpans === failedBefore) await this.#send();
    this.#failedSpans += this.#queue.length;
    this.#queue = [];
    await this.#options.exporter.shutdown();
  }

  #arm(): void {
    if (this.#sending !== null) return;
    if (this.#queue.length >= this.#options.maxBatch) {
      this.#start();
      return;
    }
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => this.#start(), this.#options.gatherMillis);
    // Spans that wait keep no process alive: the shutdown sends them.
    this.#timer.unref();
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #start(): void {
    void this.#send().then(() => {
      if (this.#queue.length > 0 && this.#stopping === null) this.#arm();
    });
  }

  /** One batch, one request. Never rejects. */
  #send(): Promise<void> {
    this.#disarm();
    const batch = this.#queue.splice(0, this.#options.maxBatch);
    if (batch.length === 0) return Promise.resolve();
    this.#sending = this.#export(batch).then((isTaken) => {
      if (isTaken) this.#exportedSpans += batch.length;
      else this.#failedSpans += batch.length;
      this.#sending = null;
    });
    return this.#sending;
  }

  #export(batch: ReadableSpan[]): Promise<boolean> {
    return new Promise((resolve) => {
      // The request itself must not be traced.
      context.with(suppressTracing(context.active()), () => {
        try {
          this.#options.exporter.export(batch, ({ code }) => resolve(code === ExportResultCode.SUCCESS));
        } catch {
          resolve(false); // Counted as failed: tracing never breaks what it describes.
        }
      });
    });
  }
}
