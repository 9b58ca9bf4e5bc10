import { readFileSync } from 'node:fs';
import { UsageError } from '../cli/exit.js';

/** One request of a recorded run. Times are microseconds on one clock that begins at the first arrival. */
export interface RecordedRequest {
  readonly requestId: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly arrivedAt: number;
  readonly firstTokenAt: number;
  readonly lastTokenAt: number;
}

const FIELDS = ['input_toks', 'output_toks', 'arrival_time', 'queued_ts', 'first_token_ts', 'last_token_ts'] as const;

type RawRequest = Readonly<Record<(typeof FIELDS)[number], number>> & { readonly request_id: string };

/**
 * Reads the requests of a run in order of arrival. Arrivals are on the client's clock and the rest is on the engine's; the
 * request that was queued soonest after its arrival tells how far the clocks are apart.
 *
 * @throws UsageError with file, line and field.
 */
export const readRecordedRequests = (file: string): readonly RecordedRequest[] => {
  const lines = readText(file).split('\n');
  const raw = lines.flatMap((line, index) => (line === '' ? [] : [parseLine(line, `${file}:${index + 1}`)]));
  if (raw.length === 0) throw new UsageError(`${file}: is empty; allowed is at least one request`);
  const apart = raw.reduce((least, { queued_ts, arrival_time }) => Math.min(least, queued_ts - arrival_time), Infinity);
  const startsAt = raw.reduce((least, { arrival_time }) => Math.min(least, arrival_time), Infinity);
  const micros = (engineSeconds: number): number => Math.round((engineSeconds - apart - startsAt) * 1e6);
  return raw
    .map((request) => ({
      requestId: request.request_id,
      promptTokens: request.input_toks,
      outputTokens: request.output_toks,
      arrivedAt: Math.round((request.arrival_time - startsAt) * 1e6),
      firstTokenAt: micros(request.first_token_ts),
      lastTokenAt: micros(request.last_token_ts),
    }))
    .sort((a, b) => a.arrivedAt - b.arrivedAt);
};

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file}: cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
};

const parseLine = (line: string, where: string): RawRequest => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new UsageError(`${where}: is not JSON; allowed is one request a line`);
  }
  const record = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { request_id } = record;
  if (typeof request_id !== 'string')
    throw new UsageError(`${where}: request_id is ${String(request_id)}; allowed is text`);
  for (const field of FIELDS) {
    if (typeof record[field] === 'number' && Number.isFinite(record[field])) continue;
    throw new UsageError(`${where}: ${field} is ${JSON.stringify(record[field])}; allowed is a number`);
  }
  for (const field of ['input_toks', 'output_toks'] as const) {
    if (Number.isInteger(record[field]) && (record[field] as number) >= 2) continue;
    throw new UsageError(`${where}: ${field} is ${String(record[field])}; allowed is a whole number from 2`);
  }
  return record as unknown as RawRequest;
};
