import { chunk } from '@holdfast/contracts';
import { DomainError, invalidFields } from '@holdfast/platform';
import { tokenDigest } from '@holdfast/chunk-cache';
import type { ShelfVariant, VariantShelf } from './variant-shelf.js';

/** A segment of a plan with the KV that was found for it. */
export interface ResolvedSegment {
  readonly segmentId: number;
  readonly start: number;
  readonly end: number;
  readonly kind: 'compute' | 'prefix' | 'reuse';
  /** What is used; null when the segment is computed. */
  readonly variant: ShelfVariant | null;
  readonly fix: chunk.Fix | undefined;
  readonly missReason: chunk.MissReason;
  readonly missedVariantId: string;
}

/** What a plan is checked against. */
export interface PlanContext {
  readonly shelf: VariantShelf;
  readonly salt: string;
  readonly tokenIds: readonly number[];
  readonly nonPrefix: boolean;
}

/** Pure. Segments with their KV. Throws FIELD_INVALID for a plan that is none, KV_NOT_RESIDENT where a miss shall fail. */
export const resolvePlan = (plan: chunk.Plan | undefined, context: PlanContext): readonly ResolvedSegment[] => {
  if (plan === undefined || plan.segments.length === 0) return [everything(context.tokenIds.length)];
  checkTiling(plan, context.tokenIds.length);
  return plan.segments.map((segment) => resolve(segment, context));
};

const everything = (end: number): ResolvedSegment => ({
  ...{ segmentId: 0, start: 0, end, kind: 'compute', variant: null, fix: undefined },
  ...{ missReason: chunk.MissReason.UNSPECIFIED, missedVariantId: '' },
});

const resolve = (segment: chunk.Segment, context: PlanContext): ResolvedSegment => {
  const { start, end } = segment.range!;
  const base = { ...everything(end), segmentId: segment.segmentId, start };
  if (segment.work?.$case === 'compute' || segment.work === undefined) return base;
  const { $case: kind, value } = segment.work;
  if (kind === 'reuse' && !context.nonPrefix) {
    throw new DomainError({
      kind: 'precondition',
      reason: 'ENGINE_CAPABILITY_MISSING',
      message: `segment ${segment.segmentId} is a reuse; allowed here are prefix and compute segments`,
    });
  }
  const ids = context.tokenIds.slice(start, end);
  const misses = (variantId: string, generation: bigint): chunk.MissReason =>
    missOf({ variantId, generation, start, ids, isPrefix: kind === 'prefix' }, context);
  const missReason = misses(value.variantId, value.generation);
  if (missReason === chunk.MissReason.UNSPECIFIED) {
    const fix = kind === 'reuse' ? segment.work.value.fix : undefined;
    return { ...base, kind, variant: context.shelf.find(value.variantId)!, fix };
  }
  if (value.onMiss === chunk.MissAction.FAIL) throw notResident(value.variantId, missReason);
  const missed = { missReason, missedVariantId: value.variantId };
  if (kind !== 'reuse' || value.onMiss !== chunk.MissAction.ALTERNATE) return { ...base, ...missed };
  const { alternateVariantIds, fix } = segment.work.value;
  const alternate = alternateVariantIds.find((id) => misses(id, 0n) === chunk.MissReason.UNSPECIFIED);
  return alternate === undefined
    ? { ...base, ...missed }
    : { ...base, ...missed, kind, variant: context.shelf.find(alternate)!, fix };
};

const missOf = (
  asked: {
    readonly variantId: string;
    readonly generation: bigint;
    readonly start: number;
    readonly ids: readonly number[];
    readonly isPrefix: boolean;
  },
  { shelf, salt, tokenIds }: PlanContext,
): chunk.MissReason => {
  const variant = shelf.find(asked.variantId);
  if (variant === undefined) return chunk.MissReason.ABSENT;
  if (variant.spec.salt !== salt) return chunk.MissReason.SALT;
  if (asked.generation !== 0n && asked.generation !== variant.generation) return chunk.MissReason.GENERATION;
  if (Buffer.from(variant.tokenDigest).toString('hex') !== tokenDigest(asked.ids)) return chunk.MissReason.TOKENS;
  const isExact = variant.prefixDigest === tokenDigest(tokenIds.slice(0, asked.start));
  return asked.isPrefix && !isExact ? chunk.MissReason.NOT_PREFIX : chunk.MissReason.UNSPECIFIED;
};

const notResident = (variantId: string, reason: chunk.MissReason): DomainError =>
  new DomainError({
    kind: 'precondition',
    reason: 'KV_NOT_RESIDENT',
    message: `variant ${variantId} cannot be used: ${chunk.MissReason[reason]}`,
    metadata: { variantId },
  });

const checkTiling = (plan: chunk.Plan, promptTokens: number): void => {
  let at = 0;
  let hasOther = false;
  for (const [index, segment] of plan.segments.entries()) {
    checkPlace(segment, index, { at, hasOther });
    hasOther ||= segment.work?.$case !== 'prefix';
    at = segment.range!.end;
  }
  if (at !== promptTokens) throw invalid('plan.segments', `${at} tokens`, `all ${promptTokens} of the prompt`);
  if (plan.segments.at(-1)?.work?.$case !== 'compute') {
    throw invalid('plan.segments', 'no computed end', 'a last one of compute');
  }
  const { requestFix } = plan;
  if (requestFix === undefined || requestFix.selector > chunk.Selector.PLAN) return;
  throw invalid('plan.request_fix.selector', String(chunk.Selector[requestFix.selector]), 'any but PLAN');
};

const checkPlace = (
  { range, work }: chunk.Segment,
  index: number,
  before: { readonly at: number; readonly hasOther: boolean },
): void => {
  const field = `plan.segments[${index}]`;
  if (range === undefined || range.start !== before.at || range.end <= range.start) {
    throw invalid(`${field}.range`, `[${range?.start}, ${range?.end})`, `one that starts at ${before.at}`);
  }
  if (work?.$case === 'prefix' && before.hasOther) throw invalid(field, 'prefix', 'prefix segments first');
};

const invalid = (field: string, value: string, allowed: string): DomainError =>
  invalidFields([{ field, description: `is ${value}; allowed: ${allowed}` }]);
