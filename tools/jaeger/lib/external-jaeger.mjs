const ASK_TIMEOUT_MS = 5_000;

/** Pure. An address without the slash at its end. */
const baseOf = (name, text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new Error(`${name} is "${text}"; allowed is an address like http://127.0.0.1:16686`);
  }
  return text.replace(/\/+$/, '');
};

/**
 * The Jaeger that the user runs already: HOLDFAST_JAEGER_URL is the address of its query API, and
 * OTEL_EXPORTER_OTLP_ENDPOINT that of its OTLP/HTTP receiver (default: port 4318 of the same host). Undefined without.
 */
export const externalJaeger = () => {
  const configured = process.env.HOLDFAST_JAEGER_URL;
  if (!configured) return undefined;
  const query = baseOf('HOLDFAST_JAEGER_URL', configured);
  const otlp = process.env.OTEL_EXPORTER_OTLP_ENDPOINT || `http://${new URL(query).hostname}:4318`;
  return { query, otlp: baseOf('OTEL_EXPORTER_OTLP_ENDPOINT', otlp) };
};

/** Undefined when a Jaeger answers at its query API and its receiver; else what is wrong. Never rejects. */
export const whyNotServing = async ({ query, otlp }) => {
  try {
    const services = await fetch(`${query}/api/services`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    if (!services.ok) return `${query}/api/services answered ${services.status}`;
    const traces = await fetch(`${otlp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"resourceSpans":[]}',
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    return traces.ok ? undefined : `${otlp}/v1/traces answered ${traces.status}`;
  } catch (error) {
    return `${query} or ${otlp} does not answer: ${error.cause?.message ?? error.message}`;
  }
};
