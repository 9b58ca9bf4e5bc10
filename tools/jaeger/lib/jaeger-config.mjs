const endpoint = (port) => ({ endpoint: `127.0.0.1:${port}` });

/** Pure. The configuration of a Jaeger that keeps its traces in memory and listens on the loopback alone. */
export const jaegerConfig = ({ ports, maxTraces }) => ({
  service: {
    extensions: ['jaeger_storage', 'jaeger_query'],
    pipelines: { traces: { receivers: ['otlp'], exporters: ['jaeger_storage_exporter'] } },
    telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
  },
  extensions: {
    jaeger_storage: { backends: { memory: { memory: { max_traces: maxTraces } } } },
    jaeger_query: {
      storage: { traces: 'memory' },
      http: endpoint(ports.query),
      grpc: endpoint(ports.queryGrpc),
      // It would send traces of its own queries to a receiver that is not there.
      enable_tracing: false,
    },
  },
  receivers: { otlp: { protocols: { http: endpoint(ports.otlp) } } },
  exporters: { jaeger_storage_exporter: { trace_storage: 'memory' } },
});
