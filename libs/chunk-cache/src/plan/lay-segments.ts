import type { ChunkId, ChunkIdentity } from '../identity/chunk-identity.js';
import type { Variant } from '../store/variant.js';
import type { ChunkPlan, ChunkPrompt, PlanCapture, PlanSegment, RequestFix } from './chunk-plan.js';
import type { PlannerInput } from './chunk-planner.js';

/** A chunk for which a planner has to choose, with what precedes it. */
export interface ChunkPlace {
  readonly chunk: ChunkIdentity;
  readonly lengthTokens: number;
  readonly start: number;
  readonly preceding: readonly ChunkId[];
  readonly variants: readonly Variant[];
}

/** A planner's choice for a chunk: a reuse, or null to compute it. */
export type ReuseChoice = Pick<
  Extract<PlanSegment, { kind: 'reuse' }>,
  'variant' | 'fix' | 'alternates' | 'stopAfterLayers' | 'expected'
> | null;

/**
 * Pure. Tiles a prompt: exact prefixes as far as they reach, then what `choose` says of each chunk, then the tail. A chunk
 * that is computed behind nothing but exact KV is captured.
 *
 * @throws RangeError for a prompt without a tail or with a chunk twice, or a share outside of 0 to 1.
 */
export const laySegments = (
  { prompt, variantsOf, recomputeShare }: PlannerInput,
  choose: (place: ChunkPlace) => ReuseChoice,
): ChunkPlan => {
  checkPrompt(prompt, recomputeShare);
  const segments: PlanSegment[] = [];
  const captures: PlanCapture[] = [];
  const preceding: ChunkId[] = [];
  const lay = (chunk: ChunkIdentity, lengthTokens: number, choice: (place: ChunkPlace) => ReuseChoice): void => {
    const start = segments.at(-1)?.end ?? 0;
    const place = { chunk, lengthTokens, start, preceding: [...preceding], variants: variantsOf(chunk.id) };
    const segment = segmentOf(place, prompt, { isExactSoFar: segments.every(({ kind }) => kind === 'prefix'), choice });
    const isCanonical = segments.every(({ kind }) => kind !== 'reuse');
    if (segment.kind === 'compute' && isCanonical) {
      captures.push({ segment: segments.length, chunk: chunk.id, preceding: [...preceding] });
    }
    segments.push(segment);
  };
  if (prompt.headTokens > 0) {
    if (prompt.head === null) segments.push({ kind: 'compute', start: 0, end: prompt.headTokens, chunk: null });
    else lay(prompt.head, prompt.headTokens, () => null);
  }
  for (const { chunk, lengthTokens } of prompt.chunks) {
    lay(chunk, lengthTokens, choose);
    preceding.push(chunk.id);
  }
  const start = segments.at(-1)?.end ?? 0;
  segments.push({ kind: 'compute', start, end: start + prompt.tailTokens, chunk: null });
  return { segments, requestFix: null, captures, lowered: [] };
};

/** Pure. A plan whose reused segments share one budget; none when there is nothing to spend or nothing to spend it on. */
export const withRequestFix = (plan: ChunkPlan, fix: RequestFix): ChunkPlan =>
  fix.countTokens === 0 ? plan : { ...plan, requestFix: fix };

const segmentOf = (
  place: ChunkPlace,
  prompt: ChunkPrompt,
  { isExactSoFar, choice }: { readonly isExactSoFar: boolean; readonly choice: (place: ChunkPlace) => ReuseChoice },
): PlanSegment => {
  const { chunk, start, lengthTokens } = place;
  const at = { start, end: start + lengthTokens, chunk: chunk.id };
  const exact = isExactSoFar ? place.variants.find((variant) => isExact(variant, place, prompt)) : undefined;
  if (exact !== undefined) return { ...at, kind: 'prefix', variant: exact.id };
  const reuse = choice(place);
  return reuse === null ? { ...at, kind: 'compute' } : { ...at, kind: 'reuse', ...reuse };
};

/** Computed in full behind the very same tokens. A mean over contexts is never exact. */
const isExact = ({ context, depth, lengthTokens }: Variant, place: ChunkPlace, prompt: ChunkPrompt): boolean => {
  if (depth > 0 || lengthTokens !== place.lengthTokens || context.chunks.length !== place.preceding.length)
    return false;
  const isHead = place.chunk.id === prompt.head?.id;
  if (context.foundation !== (isHead ? 'bare' : 'system')) return false;
  if (!isHead && context.foundationDigest !== prompt.headDigest) return false;
  return place.preceding.every((id, index) => context.chunks[index]!.id === id);
};

const checkPrompt = ({ tailTokens, headTokens, chunks }: ChunkPrompt, share: number): void => {
  if (!(tailTokens >= 1)) throw new RangeError(`tailTokens is ${tailTokens}; allowed is at least 1: a question`);
  if (!(headTokens >= 0)) throw new RangeError(`headTokens is ${headTokens}; allowed is a number from 0`);
  if (!(share >= 0 && share <= 1)) throw new RangeError(`recomputeShare is ${share}; allowed is 0 to 1`);
  const seen = new Set<ChunkId>();
  for (const { chunk, lengthTokens } of chunks) {
    if (seen.has(chunk.id)) throw new RangeError(`chunk ${chunk.id} stands twice; allowed is each chunk once`);
    if (!(lengthTokens >= 1))
      throw new RangeError(`chunk ${chunk.id} has ${lengthTokens} tokens; allowed is 1 or more`);
    seen.add(chunk.id);
  }
};
