export type { CancelTimer, Clock, SystemClockOptions } from './clock.js';
export { systemClock } from './clock.js';
export { ManualClock } from './manual-clock.js';
export type { SettingDescription } from './config/describe-setting.js';
export type { ConfigProblem, Environment, LoadConfigOptions } from './config/load-config.js';
export { ConfigError, loadConfig } from './config/load-config.js';
export { envExample } from './config/env-example.js';
export type { HostPort } from './config/settings.js';
export {
  choiceSetting,
  durationSetting,
  flagSetting,
  hostPortSetting,
  integerSetting,
  listSetting,
  numberSetting,
  sizeSetting,
  textValueSetting,
} from './config/settings.js';
export type { DomainErrorInit, ErrorKind, ReasonName } from './errors/domain-error.js';
export { DomainError, invalidFields, isDomainError } from './errors/domain-error.js';
export type { ErrorLogger, GrpcStatus } from './errors/grpc-status.js';
export { logErrorOnce, toDomainError, toGrpcStatus } from './errors/grpc-status.js';
export type { RetryAdvice, StatusRow } from './errors/status-table.js';
export { statusTable } from './errors/status-table.js';
export type { EmbeddedPostgres, PostgresOptions } from './postgres/start-postgres.js';
export { startPostgres } from './postgres/start-postgres.js';
export type { LogFields } from './log-fields.js';
export type { LogLevel, LoggerOptions } from './logging.js';
export { createLogger, logLevels } from './logging.js';
export type { ProcessSignals, ShutdownOutcome, ShutdownSignal, ShutdownStep } from './shutdown.js';
export { onShutdownSignal, runShutdown } from './shutdown.js';
export type { SpanExportStats } from './telemetry/bounded-span-processor.js';
export { attributes, spans } from './telemetry/names.js';
export type { SpanOptions } from './telemetry/span.js';
export { failSpan, inSpan } from './telemetry/span.js';
export type { Telemetry, TelemetryOptions } from './telemetry/start-telemetry.js';
export { noSpanExports, startTelemetry } from './telemetry/start-telemetry.js';
export { contextOf, extractTrace, injectTrace, traceOfHeaders, traceparentOf } from './telemetry/trace-context.js';
