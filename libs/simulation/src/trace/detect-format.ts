import { AZURE_COLUMNS } from './azure-format.js';
import { csvCells } from './csv-row.js';
import type { TraceFormat } from './trace-parser.js';
import { TRACELAB_COLUMNS } from './tracelab-format.js';

/** Keys that the first record of a format has, and that tell it from the others. */
const JSON_MARKS: readonly (readonly [TraceFormat, readonly string[]])[] = [
  ['holdfast', ['program', 'turns']],
  ['weka', ['block_size', 'requests']],
  ['agentcgroup', ['group', 'calls']],
  ['lmcache-numeric', ['set', 'calls']],
  ['lmcache-raw', ['session_id', 'input', 'output']],
  ['ragpulse', ['session_id', 'input_length', 'hash_ids']],
  ['mooncake', ['input_length', 'output_length', 'hash_ids']],
];

/** For messages: what a trace may be. */
export const KNOWN_FORMATS =
  'JSON lines of weka, agentcgroup, lmcache-agent-trace, mooncake, ragpulse or Holdfast, and CSV of Azure or TraceLab';

/** Pure. The format that the first line of a trace shows; null for none. */
export const detectFormat = (firstLine: string): TraceFormat | null => {
  const line = firstLine.trim();
  if (!line.startsWith('{')) return csvFormat(csvCells(line));
  const record = parse(line);
  if (record === null) return null;
  return JSON_MARKS.find(([, keys]) => keys.every((key) => key in record))?.[0] ?? null;
};

const csvFormat = (cells: readonly string[]): TraceFormat | null => {
  if (AZURE_COLUMNS.every((name) => cells.includes(name))) return 'azure';
  return TRACELAB_COLUMNS.every((name) => cells.includes(name)) ? 'tracelab' : null;
};

const parse = (line: string): object | null => {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' ? value : null;
  } catch {
    // Not JSON is an answer, not a fault: the caller says what is allowed.
    return null;
  }
};
