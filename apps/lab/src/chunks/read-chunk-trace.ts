import { openBytes, peek } from '../trace-files/open-bytes.js';
import { TraceFileError } from '../trace-files/trace-file-error.js';
import type { ChunkTrace } from './chunk-trace.js';
import { readMtrag } from './read-mtrag.js';
import { readRagpulse } from './read-ragpulse.js';

const MTRAG_HEAD = 'query-id\tcorpus-id';
const PEEKED_BYTES = 4_096;

/** Reads a trace of prompts with named parts; its first bytes tell the format. */
export const readChunkTrace = async (file: string): Promise<ChunkTrace> => {
  const [head] = await peek(openBytes(file), PEEKED_BYTES);
  const text = head.toString('utf8');
  if (text.startsWith(MTRAG_HEAD)) return readMtrag(file);
  if (text.startsWith('{') && text.includes('"hash_ids"')) return readRagpulse(file);
  throw new TraceFileError(
    file,
    'is of no known format; allowed are RAGPulse (0_trace.jsonl with its tables beside it) and qrels of MTRAG',
  );
};
