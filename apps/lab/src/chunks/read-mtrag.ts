import { openBytes } from '../trace-files/open-bytes.js';
import { readLines } from '../trace-files/read-lines.js';
import { TraceFileError } from '../trace-files/trace-file-error.js';
import type { ChunkRequest, ChunkTrace, PromptPart } from './chunk-trace.js';

/** The set says where a passage begins and ends, in characters, and not how many tokens it has. */
const CHARACTERS_PER_TOKEN = 4;

/**
 * Reads gold passages of MTRAG's conversations: `query-id, corpus-id, score`, tab separated, below one line of heads.
 * The set has no times: conversations follow each other, and turns theirs, in the order of the file.
 */
export const readMtrag = async (file: string): Promise<ChunkTrace> => {
  const turns = new Map<string, PromptPart[]>();
  let line = 0;
  for await (const text of readLines(file, openBytes(file))) {
    line += 1;
    if (line === 1 || text.trim() === '') continue;
    const [turn = '', passage = ''] = text.split('\t');
    const range = /(\d+)-(\d+)$/.exec(passage);
    if (turn === '' || range === null) {
      throw new TraceFileError(file, `line ${line} is not a turn and a passage that ends in its range of characters`);
    }
    const characters = Number(range[2]) - Number(range[1]);
    const lengthTokens = Math.max(1, Math.round(characters / CHARACTERS_PER_TOKEN));
    const passages = turns.get(turn) ?? [];
    turns.set(turn, [...passages, { id: `chunks/${passage}`, lengthTokens }]);
  }
  if (turns.size === 0) throw new TraceFileError(file, 'holds no passage');
  const requests = [...turns.values()].map((chunks, at): ChunkRequest => {
    return { at, place: at, parts: { system: [], chunks, history: [], web: [], question: [] } };
  });
  return {
    file,
    format: 'mtrag',
    requests,
    notes: ['lengths are characters over 4; gold passages only; turns without any are left out; no times'],
  };
};
