import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeTracerProvider, ParentBasedSampler, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import { BoundedSpanProcessor, type SpanExportStats } from './bounded-span-processor.js';

/** Options of {@link startTelemetry}. */
export interface TelemetryOptions {
  readonly serviceName: string;
  readonly serviceVersion?: string;
  /** Base address of an OTLP/HTTP receiver, e.g. `http://127.0.0.1:4318`. Without one nothing is recorded. */
  readonly endpoint?: string;
  /**
   * Share of the traces that begin here which are recorded, 0 to 1. Default 1. A trace that began elsewhere is recorded
   * when its beginner recorded it, so a program is either whole in the traces or not at all.
   */
  readonly sampleRatio?: number;
}

/** Running telemetry. */
export interface Telemetry {
  /** Pure. What became of the spans so far. */
  stats(): SpanExportStats;
  /** Sends the spans that have ended and stops. Bounded by the exporter's own timeout. May be called again. */
  shutdown(): Promise<void>;
}

/** Nothing was recorded, so nothing was lost. */
export const noSpanExports: SpanExportStats = { exportedSpans: 0, droppedSpans: 0, failedSpans: 0, queuedSpans: 0 };

const exportTimeoutMillis = 5_000;

/** About 10 MB of spans at most, and one request every second or for every 512 spans. */
const queue = { maxQueued: 8_192, maxBatch: 512, gatherMillis: 1_000 };

/** A span is bounded too: long texts are cut, the 129th attribute or event is left out. */
const spanLimits = { attributeValueLengthLimit: 1_024, attributeCountLimit: 128, eventCountLimit: 128 };

/**
 * Starts tracing for the process: spans go in batches to the endpoint. Modifies the global tracer provider; call it
 * once, before the first span. Without an endpoint all spans stay no-ops.
 *
 * @throws TypeError when the endpoint is no URL.
 */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { serviceName, serviceVersion, endpoint, sampleRatio = 1 } = options;
  if (endpoint === undefined) return { stats: () => noSpanExports, shutdown: () => Promise.resolve() };
  const url = new URL('v1/traces', endpoint.endsWith('/') ? endpoint : `${endpoint}/`).href;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMillis });
  const processor = new BoundedSpanProcessor({ exporter, ...queue });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({
      [ATTR_SERVICE_NAME]: serviceName,
      ...(serviceVersion === undefined ? {} : { [ATTR_SERVICE_VERSION]: serviceVersion }),
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanLimits,
    spanProcessors: [processor],
  });
  provider.register();
  let stopping: Promise<void> | undefined;
  return { stats: () => processor.stats, shutdown: () => (stopping ??= provider.shutdown()) };
}
