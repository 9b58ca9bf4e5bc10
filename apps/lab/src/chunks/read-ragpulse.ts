import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openBytes } from '../trace-files/open-bytes.js';
import { readLines } from '../trace-files/read-lines.js';
import { TraceFileError } from '../trace-files/trace-file-error.js';
import type { ChunkRequest, ChunkTrace, PartKind, PromptPart } from './chunk-trace.js';

/** Where RAGPulse keeps the parts of a kind: their name in a request, and the table of their lengths. */
const TABLES: Readonly<Record<PartKind, { readonly field: string; readonly table: string; readonly key: string }>> = {
  system: { field: 'sys_prompt', table: '1_sys_prompt.jsonl', key: 'sys_prompt_id' },
  chunks: { field: 'passages_ids', table: '2_passages.jsonl', key: 'passage_id' },
  history: { field: 'history', table: '3_history.jsonl', key: 'history_id' },
  web: { field: 'web_search', table: '5_web_search.jsonl', key: 'web_search_id' },
  question: { field: 'user_input', table: '4_user_input.jsonl', key: 'user_input_id' },
};
const KINDS = Object.keys(TABLES) as readonly PartKind[];

type Lengths = Readonly<Record<PartKind, ReadonlyMap<number, number>>>;
type Row = Readonly<Record<string, unknown>>;

/**
 * Reads a RAGPulse trace (arXiv 2511.12979). The five tables of lengths lie beside it, plain or gzip. The file is not in
 * time order; what comes back is.
 */
export const readRagpulse = async (file: string): Promise<ChunkTrace> => {
  const tables = await Promise.all(KINDS.map(async (kind) => [kind, await readLengths(dirname(file), kind)] as const));
  const lengths = Object.fromEntries(tables) as unknown as Lengths;
  const requests: ChunkRequest[] = [];
  for await (const { row, line } of rows(file)) {
    requests.push({ ...toRequest(row, lengths, { file, line }), place: requests.length });
  }
  if (requests.length === 0) throw new TraceFileError(file, 'holds no request');
  return {
    file,
    format: 'ragpulse',
    requests: requests.sort((a, b) => a.at - b.at),
    notes: ['lengths are tokens of the trace; the order of kinds in a prompt is assumed'],
  };
};

const readLengths = async (folder: string, kind: PartKind): Promise<ReadonlyMap<number, number>> => {
  const { table, key } = TABLES[kind];
  const plain = join(folder, table);
  const file = existsSync(plain) ? plain : `${plain}.gz`;
  const lengths = new Map<number, number>();
  for await (const { row, line } of rows(file)) {
    const { [key]: id, token_length: length } = row;
    if (!isCount(id) || !isCount(length)) {
      throw new TraceFileError(file, `line ${line} lacks ${key} or token_length as whole numbers from 0`);
    }
    lengths.set(id, length);
  }
  return lengths;
};

const toRequest = (
  row: Row,
  lengths: Lengths,
  { file, line }: { readonly file: string; readonly line: number },
): Omit<ChunkRequest, 'place'> => {
  const at = Number(row['timestamp']);
  const ids = row['hash_ids'];
  if (!Number.isFinite(at) || typeof ids !== 'object' || ids === null) {
    throw new TraceFileError(file, `line ${line} lacks timestamp or hash_ids; allowed is a request of RAGPulse`);
  }
  const partsOf = (kind: PartKind): readonly PromptPart[] => {
    const list = (ids as Row)[TABLES[kind].field] ?? [];
    if (!Array.isArray(list)) throw new TraceFileError(file, `line ${line} has no list as ${TABLES[kind].field}`);
    return list.map((id: unknown) => {
      const lengthTokens = isCount(id) ? lengths[kind].get(id) : undefined;
      if (lengthTokens !== undefined) return { id: `${kind}/${String(id)}`, lengthTokens };
      throw new TraceFileError(file, `line ${line} names ${String(id)}, which ${TABLES[kind].table} does not have`);
    });
  };
  const parts = Object.fromEntries(KINDS.map((kind) => [kind, partsOf(kind)])) as unknown as ChunkRequest['parts'];
  return { at, parts };
};

const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;

const rows = async function* (file: string): AsyncGenerator<{ readonly row: Row; readonly line: number }> {
  let line = 0;
  for await (const text of readLines(file, openBytes(file))) {
    line += 1;
    if (text.trim() !== '') yield { row: parse(file, text, line), line };
  }
};

const parse = (file: string, text: string, line: number): Row => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TraceFileError(file, `line ${line} is not JSON`, { cause: error });
  }
  if (typeof value === 'object' && value !== null) return value as Row;
  throw new TraceFileError(file, `line ${line} is not a JSON object`);
};
