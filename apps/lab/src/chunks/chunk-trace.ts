/** A part of a prompt that may come again: a chunk of a document, an instruction, a question. */
export interface PromptPart {
  readonly id: string;
  readonly lengthTokens: number;
}

/** Kinds of parts, in the order in which a prompt is taken to hold them. */
export const PART_KINDS = ['system', 'chunks', 'history', 'web', 'question'] as const;

/** One of {@link PART_KINDS}. */
export type PartKind = (typeof PART_KINDS)[number];

/** One prompt of a retrieval-augmented application. */
export interface ChunkRequest {
  /** Seconds from the start of the trace, or a place in order when the trace has no times. */
  readonly at: number;
  /** Place in the file, from 0. */
  readonly place: number;
  readonly parts: Readonly<Record<PartKind, readonly PromptPart[]>>;
}

/** A recorded stream of prompts whose parts have names. */
export interface ChunkTrace {
  readonly file: string;
  readonly format: 'ragpulse' | 'mtrag';
  /** In time order; of equal times, in the order of the file. */
  readonly requests: readonly ChunkRequest[];
  /** What a reader of the figures must know about the trace. */
  readonly notes: readonly string[];
}

/** Pure. Tokens of all chunks, each once: capacities are shares of it. */
export const uniqueTokens = (requests: readonly ChunkRequest[]): number => {
  const lengths = new Map<string, number>();
  for (const { parts } of requests) for (const { id, lengthTokens } of parts.chunks) lengths.set(id, lengthTokens);
  return [...lengths.values()].reduce((sum, tokens) => sum + tokens, 0);
};
