import type { ChunkId, ChunkIdentity } from '../identity/chunk-identity.js';
import type { VariantId } from '../store/variant.js';
import type { TokenRange } from '../tokens/choose-tokens.js';

/** Rules by which the tokens of a reused chunk are chosen; `plan` lists them, every other one is the engine's. */
export const TOKEN_SELECTORS = ['plan', 'first', 'inter', 'kvDeviation', 'query', 'value', 'random'] as const;

/** One of {@link TOKEN_SELECTORS}. */
export type TokenSelector = (typeof TOKEN_SELECTORS)[number];

/** A chunk in its place in a prompt. */
export interface PromptChunk {
  readonly chunk: ChunkIdentity;
  readonly lengthTokens: number;
}

/** A prompt: a head (system prompt), chunks, and a tail with the question, which is always computed. */
export interface ChunkPrompt {
  /** Tokens before the first chunk; may be 0. */
  readonly headTokens: number;
  /** Digest of these tokens: KV behind another head is not exact. */
  readonly headDigest: string;
  /** The head as something that can be stored, for the exact reuse of it; null never stores it. */
  readonly head: ChunkIdentity | null;
  /** In prompt order, each once. */
  readonly chunks: readonly PromptChunk[];
  /** Tokens behind the last chunk, at least 1. */
  readonly tailTokens: number;
}

/** Tokens of one reused segment that are recomputed. */
export type TokenFix =
  | { readonly selector: 'plan'; readonly tokens: readonly TokenRange[] }
  | { readonly selector: Exclude<TokenSelector, 'plan'>; readonly countTokens: number };

/** One number of tokens for all reused segments together. */
export interface RequestFix {
  readonly selector: Exclude<TokenSelector, 'plan'>;
  readonly countTokens: number;
  /** Tokens at the start of each reused segment that come first and count. */
  readonly firstTokens: number;
}

/** What is expected of a reuse; engines carry it into their records. */
export interface ReuseExpectation {
  /** CFO of the variant here. */
  readonly recomputeShare: number;
  /** CCI. */
  readonly impact: number;
  /** beta'. */
  readonly overlap: number;
}

interface Place {
  /** Positions in the prompt: `start` is in the segment, `end` is not. */
  readonly start: number;
  readonly end: number;
  /** The chunk, or the head when that is stored; null for the tail. */
  readonly chunk: ChunkId | null;
}

/** A part of a prompt and where its KV comes from. */
export type PlanSegment = Place &
  (
    | { readonly kind: 'compute' }
    /** Stored KV of the same tokens behind the same tokens: exact. */
    | { readonly kind: 'prefix'; readonly variant: VariantId }
    /** Stored KV of the same tokens behind others. */
    | {
        readonly kind: 'reuse';
        readonly variant: VariantId;
        readonly fix: TokenFix | null;
        /** Other variants to try when it is gone, best first. */
        readonly alternates: readonly VariantId[];
        /** Layers that are recomputed; 0 means all. */
        readonly stopAfterLayers: number;
        readonly expected: ReuseExpectation;
      }
  );

/** KV to store after the prefill, under the context in which it was computed and no other. */
export interface PlanCapture {
  /** Index of the segment. */
  readonly segment: number;
  readonly chunk: ChunkId;
  /** Chunks before it, in order. */
  readonly preceding: readonly ChunkId[];
}

/** What an engine cannot do as planned, and what is done instead. */
export interface PlanLowering {
  /** Index of the segment; null for the whole plan. */
  readonly segment: number | null;
  readonly from: string;
  readonly to: string;
}

/** How a prompt's KV is made. */
export interface ChunkPlan {
  /** They tile the prompt, prefix segments first, the computed tail last. */
  readonly segments: readonly PlanSegment[];
  /** Only when no segment has a fix of its own. */
  readonly requestFix: RequestFix | null;
  /** Only of segments with nothing but exact KV before them, so that errors never add up. */
  readonly captures: readonly PlanCapture[];
  readonly lowered: readonly PlanLowering[];
}

/** Pure. Tokens of a plan by what happens to them; an engine's own choice counts as many tokens as it was given. */
export const planTokens = ({
  segments,
  requestFix,
}: Pick<ChunkPlan, 'segments' | 'requestFix'>): {
  readonly computed: number;
  readonly prefix: number;
  readonly reused: number;
  readonly recomputed: number;
} => {
  const counts = { computed: 0, prefix: 0, reused: 0, recomputed: requestFix?.countTokens ?? 0 };
  for (const segment of segments) {
    const length = segment.end - segment.start;
    if (segment.kind === 'compute') counts.computed += length;
    else if (segment.kind === 'prefix') counts.prefix += length;
    else {
      counts.reused += length;
      counts.recomputed += fixTokens(segment.fix);
    }
  }
  return { ...counts, reused: counts.reused - counts.recomputed };
};

/** Pure. Tokens that a fix recomputes. */
export const fixTokens = (fix: TokenFix | null): number => {
  if (fix === null) return 0;
  if (fix.selector !== 'plan') return fix.countTokens;
  return fix.tokens.reduce((sum, { start, end }) => sum + end - start, 0);
};
