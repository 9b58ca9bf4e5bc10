export { tokenDigest, textDigest } from './identity/digest.js';
export type { Fingerprint, ModelTraits, RopeTraits } from './identity/fingerprint.js';
export { fingerprintOf } from './identity/fingerprint.js';
export type { ChunkId, ChunkIdentity, ChunkTraits } from './identity/chunk-identity.js';
export { identifyChunk, mayMeet } from './identity/chunk-identity.js';
export type { AttentionLayer, AttentionProfile, DensityForm, TokenSpan } from './attention/attention-profile.js';
export { attentionProfiles } from './attention/attention-profile.js';
export type { ImpactForm } from './score/context-impact.js';
export { contextImpact } from './score/context-impact.js';
export type { ContextChunk, ContextOverlap } from './score/context-overlap.js';
export { contextOverlap } from './score/context-overlap.js';
export type { DistanceForm, WeighedContext } from './score/context-distance.js';
export { contextDistance, defaultDistanceForm } from './score/context-distance.js';
export type { ScoredContext, ShareForm } from './score/recompute-share.js';
export { recomputeShare, tokensOfShare } from './score/recompute-share.js';
export type { TokenChoice, TokenRange } from './tokens/choose-tokens.js';
export { chooseTokens, toBlocks, toRanges } from './tokens/choose-tokens.js';
export type { BudgetClaim } from './tokens/split-budget.js';
export { splitBudget } from './tokens/split-budget.js';
export type { Focus, FocusRule } from './tokens/focused-chunks.js';
export { defaultFocusRule, findFocus } from './tokens/focused-chunks.js';
export type { Foundation, Variant, VariantContext, VariantId } from './store/variant.js';
export type { MeasuredContext } from './store/variant-context.js';
export { variantContext } from './store/variant-context.js';
export type { Lookup, Removal, VariantStoreOptions } from './store/variant-store.js';
export { VariantStore } from './store/variant-store.js';
export type { ChunkReference, EvictionPolicy, VariantUse } from './eviction/eviction-policy.js';
export type { EvictionGoal, EvictionName } from './eviction/registry.js';
export { createEviction, evictionPolicies } from './eviction/registry.js';
export { preloadDepth } from './plan/preload-depth.js';
export type {
  ChunkPlan,
  ChunkPrompt,
  PlanCapture,
  PlanLowering,
  PlanSegment,
  PromptChunk,
  RequestFix,
  ReuseExpectation,
  TokenFix,
  TokenSelector,
} from './plan/chunk-plan.js';
export { planTokens, TOKEN_SELECTORS } from './plan/chunk-plan.js';
export type { ChunkPlanner, PlannerInput } from './plan/chunk-planner.js';
export type { PlannerName } from './plan/registry.js';
export { chunkPlanners, createPlanner } from './plan/registry.js';
export type { EngineAbilities } from './plan/lower-plan.js';
export { lowerPlan } from './plan/lower-plan.js';
export type { PrefixOrderOptions } from './order/prefix-order.js';
export { PrefixOrder } from './order/prefix-order.js';
export type { QualityDecision, QualityRules } from './quality/quality-controller.js';
export { defaultQualityRules, QualityController } from './quality/quality-controller.js';
