import { splitBudget } from '../tokens/split-budget.js';
import { fixTokens, type ChunkPlan, type PlanLowering, type PlanSegment, type TokenSelector } from './chunk-plan.js';

/** What an engine can do with a plan. */
export interface EngineAbilities {
  /** Chunks can be reused behind another prefix. */
  readonly nonPrefix: boolean;
  readonly selectors: readonly TokenSelector[];
  readonly layerStop: boolean;
}

type CountSelector = Exclude<TokenSelector, 'plan'>;
type ReuseSegment = Extract<PlanSegment, { kind: 'reuse' }>;

/** What comes closest to a selector, best first. Chance is no substitute: it repairs next to nothing. */
const NEAREST: Readonly<Record<TokenSelector, readonly CountSelector[]>> = {
  plan: ['inter', 'first', 'kvDeviation', 'query', 'value'],
  first: ['inter', 'kvDeviation', 'query', 'value'],
  inter: ['first', 'kvDeviation', 'query', 'value'],
  kvDeviation: ['value', 'query', 'inter', 'first'],
  query: ['value', 'kvDeviation', 'inter', 'first'],
  value: ['query', 'kvDeviation', 'inter', 'first'],
  random: [],
};

/** Selectors that an engine can spread one budget by; the others know nothing of the question and get equal shares. */
const SPREADING: readonly CountSelector[] = ['value', 'query', 'kvDeviation', 'random'];

/**
 * Pure. The nearest plan that an engine can carry out; every difference is listed in `lowered`. A reuse that cannot be
 * repaired as planned is computed: a plan never loses quality on its way.
 */
export const lowerPlan = (plan: ChunkPlan, abilities: EngineAbilities): ChunkPlan => {
  const lowered: PlanLowering[] = [];
  const withBudget = lowerRequestFix(plan, abilities, lowered);
  const segments = withBudget.segments.map((segment, index) => lowerSegment(segment, { index, abilities, lowered }));
  const isReusing = segments.some(({ kind }) => kind === 'reuse');
  return {
    segments,
    requestFix: isReusing ? withBudget.requestFix : null,
    captures: plan.captures,
    lowered: [...plan.lowered, ...lowered],
  };
};

const lowerRequestFix = (plan: ChunkPlan, abilities: EngineAbilities, lowered: PlanLowering[]): ChunkPlan => {
  const { requestFix: fix } = plan;
  if (fix === null || !abilities.nonPrefix || abilities.selectors.includes(fix.selector)) return plan;
  const next = NEAREST[fix.selector].find((selector) => abilities.selectors.includes(selector));
  if (next !== undefined && SPREADING.includes(next)) {
    lowered.push({ segment: null, from: fix.selector, to: next });
    return { ...plan, requestFix: { ...fix, selector: next } };
  }
  lowered.push({ segment: null, from: `${fix.selector} over the request`, to: `${next ?? 'none'}, equal shares` });
  const claims = plan.segments.map((segment) => ({
    lengthTokens: segment.kind === 'reuse' ? segment.end - segment.start : 0,
    weight: 1,
  }));
  const counts = splitBudget(fix.countTokens, claims);
  const segments = plan.segments.map((segment, index): PlanSegment => {
    if (segment.kind !== 'reuse') return segment;
    return { ...segment, fix: { selector: next ?? fix.selector, countTokens: counts[index]! } };
  });
  return { ...plan, segments, requestFix: null };
};

const lowerSegment = (
  segment: PlanSegment,
  at: { readonly index: number; readonly abilities: EngineAbilities; readonly lowered: PlanLowering[] },
): PlanSegment => {
  if (segment.kind !== 'reuse') return segment;
  const { index, abilities, lowered } = at;
  if (!abilities.nonPrefix) {
    lowered.push({ segment: index, from: 'reuse', to: 'compute' });
    return computed(segment);
  }
  return lowerFix(lowerStop(segment, at), at);
};

const lowerStop = (
  segment: ReuseSegment,
  { index, abilities, lowered }: Parameters<typeof lowerSegment>[1],
): ReuseSegment => {
  if (segment.stopAfterLayers === 0 || abilities.layerStop) return segment;
  lowered.push({ segment: index, from: `stop after ${segment.stopAfterLayers} layers`, to: 'all layers' });
  return { ...segment, stopAfterLayers: 0 };
};

const lowerFix = (
  segment: ReuseSegment,
  { index, abilities, lowered }: Parameters<typeof lowerSegment>[1],
): PlanSegment => {
  const { fix } = segment;
  const countTokens = fixTokens(fix);
  if (fix === null || countTokens === 0 || abilities.selectors.includes(fix.selector)) return segment;
  const next = NEAREST[fix.selector].find((selector) => abilities.selectors.includes(selector));
  if (next === undefined) {
    lowered.push({ segment: index, from: fix.selector, to: 'compute' });
    return computed(segment);
  }
  lowered.push({ segment: index, from: fix.selector, to: next });
  return { ...segment, fix: { selector: next, countTokens } };
};

const computed = ({ start, end, chunk }: ReuseSegment): PlanSegment => ({ kind: 'compute', start, end, chunk });
