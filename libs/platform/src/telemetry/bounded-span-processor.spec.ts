import { describe, expect, it } from '@jest/globals';
import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import {
  AlwaysOnSampler,
  NodeTracerProvider,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-node';
import { BoundedSpanProcessor } from './bounded-span-processor.js';

/** A receiver in the hand of the test: a request ends when the test says so. */
class HeldExporter implements SpanExporter {
  readonly batches: string[][] = [];
  readonly #open: ((result: ExportResult) => void)[] = [];
  isClosed = false;

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.batches.push(spans.map(({ name }) => name));
    this.#open.push(done);
  }

  get openRequests(): number {
    return this.#open.length;
  }

  /** Ends the oldest open request, and lets what follows from it happen. */
  async answer(code: ExportResultCode): Promise<void> {
    await settled();
    this.#open.shift()?.({ code });
    await settled();
  }

  async shutdown(): Promise<void> {
    this.isClosed = true;
  }
}

/** All that needs no clock and no network has happened. */
const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

const GATHER_FOREVER_MS = 3_600_000;

interface Rig {
  readonly exporter: HeldExporter;
  readonly processor: BoundedSpanProcessor;
  /** Starts and ends spans of these names. */
  readonly end: (...names: string[]) => void;
}

const setUp = (sampler: Sampler = new AlwaysOnSampler()): Rig => {
  const exporter = new HeldExporter();
  const processor = new BoundedSpanProcessor({
    exporter,
    maxQueued: 4,
    maxBatch: 2,
    gatherMillis: GATHER_FOREVER_MS,
  });
  const tracer = new NodeTracerProvider({ sampler, spanProcessors: [processor] }).getTracer('spec');
  const end = (...names: string[]): void => {
    for (const name of names) tracer.startSpan(name).end();
  };
  return { exporter, processor, end };
};

describe('the export of spans', () => {
  it('holds no more than its bound while the receiver hangs, and counts what it drops', () => {
    const { exporter, processor, end } = setUp();
    end('a', 'b');
    expect(exporter.batches).toEqual([['a', 'b']]);
    for (let index = 0; index < 1_000; index += 1) end(`more-${index}`);
    expect(exporter.openRequests).toBe(1);
    expect(processor.stats).toEqual({ exportedSpans: 0, droppedSpans: 996, failedSpans: 0, queuedSpans: 4 });
  });

  it('goes on in order when the receiver is back, one request at a time, and counts what was refused', async () => {
    const { exporter, processor, end } = setUp();
    end('a', 'b', 'c', 'd');
    await exporter.answer(ExportResultCode.FAILED);
    expect(exporter.batches).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(exporter.openRequests).toBe(1);
    await exporter.answer(ExportResultCode.SUCCESS);
    expect(processor.stats).toEqual({ exportedSpans: 2, droppedSpans: 0, failedSpans: 2, queuedSpans: 0 });
  });

  it('sends at the end what waits, and counts what comes later as dropped', async () => {
    const { exporter, processor, end } = setUp();
    end('a');
    const stopped = processor.shutdown();
    await exporter.answer(ExportResultCode.SUCCESS);
    end('late');
    await stopped;
    expect(exporter.batches).toEqual([['a']]);
    expect(exporter.isClosed).toBe(true);
    expect(processor.stats).toEqual({ exportedSpans: 1, droppedSpans: 1, failedSpans: 0, queuedSpans: 0 });
  });

  it('gives the rest up at the end when the receiver refuses, instead of waiting once for every batch', async () => {
    const { exporter, processor, end } = setUp();
    end('a', 'b', 'c', 'd', 'e', 'f');
    const stopped = processor.shutdown();
    await exporter.answer(ExportResultCode.SUCCESS);
    await exporter.answer(ExportResultCode.FAILED);
    await stopped;
    expect(exporter.batches).toHaveLength(2);
    expect(processor.stats).toEqual({ exportedSpans: 2, droppedSpans: 0, failedSpans: 4, queuedSpans: 0 });
  });

  it('leaves out what was sampled out, without counting it as lost', () => {
    const recordOnly: Sampler = {
      shouldSample: () => ({ decision: SamplingDecision.RECORD }),
      toString: () => 'recordOnly',
    };
    const { exporter, processor, end } = setUp(recordOnly);
    end('a', 'b', 'c');
    expect(exporter.batches).toEqual([]);
    expect(processor.stats).toEqual({ exportedSpans: 0, droppedSpans: 0, failedSpans: 0, queuedSpans: 0 });
  });
});
