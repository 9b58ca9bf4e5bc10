import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';

/** Options of {@link startTelemetry}. */
export interface TelemetryOptions {
  readonly serviceName: string;
  readonly serviceVersion?: string;
  /** Base address of an OTLP/HTTP receiver, e.g. `http://127.0.0.1:4318`. Without one nothing is recorded. */
  readonly endpoint?: string;
}

/** Running telemetry. */
export interface Telemetry {
  /** Sends the spans that have ended and stops. Bounded by the exporter's own timeout. May be called again. */
  shutdown(): Promise<void>;
}

const exportTimeoutMillis = 5_000;

/**
 * Starts tracing for the process: spans go in batches to the endpoint. Modifies the global tracer provider; call it
 * once, before the first span. Without an endpoint all spans stay no-ops.
 *
 * @throws TypeError when the endpoint is no URL.
 */
export function startTelemetry({ serviceName, serviceVersion, endpoint }: TelemetryOptions): Telemetry {
  if (endpoint === undefined) return { shutdown: () => Promise.resolve() };
  const url = new URL('v1/traces', endpoint.endsWith('/') ? endpoint : `${endpoint}/`).href;
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({
      [ATTR_SERVICE_NAME]: serviceName,
      ...(serviceVersion === undefined ? {} : { [ATTR_SERVICE_VERSION]: serviceVersion }),
    }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMillis }))],
  });
  provider.register();
  let stopping: Promise<void> | undefined;
  return { shutdown: () => (stopping ??= provider.shutdown()) };
}
