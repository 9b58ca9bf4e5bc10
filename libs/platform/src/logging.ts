import { trace } from '@opentelemetry/api';
import {
  type DestinationStream,
  type Level,
  type Logger,
  destination,
  pino,
  stdSerializers,
  stdTimeFunctions,
} from 'pino';

/** Levels that a service can be set to. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Options of {@link createLogger}. */
export interface LoggerOptions {
  /** Name of the service, on each line. */
  readonly service: string;
  readonly level: LogLevel;
  /** Where lines go. Default: standard error, written at once, as standard output belongs to the program's results. */
  readonly stream?: DestinationStream;
}

const standardError = 2;

/**
 * A logger of JSON lines: time in ISO form, level by name, the fields given, a constant message, and trace and span id
 * of the active span. Errors go under `err`, with stack and causes.
 */
export function createLogger({ service, level, stream }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { service },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label as Level }) },
      serializers: { err: stdSerializers.err, error: stdSerializers.err },
      mixin: activeTrace,
    },
    stream ?? destination({ dest: standardError, sync: true }),
  );
}

function activeTrace(): { traceId?: string; spanId?: string } {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId };
}
