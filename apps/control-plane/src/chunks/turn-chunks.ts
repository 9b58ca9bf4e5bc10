/** One turn with chunks on one engine: from its plan to what came of it. */
import {
  lowerPlan,
  textDigest,
  type ChunkIdentity,
  type ChunkPlan,
  type ChunkPlanner,
  type ChunkPrompt,
  type PlanSegment,
  type QualityController,
  type QualityDecision,
} from '@holdfast/chunk-cache';
import { chunk, program as wire } from '@holdfast/contracts';
import { planToProto, type ChunkWork } from '@holdfast/engines';
import type { Instant } from '@holdfast/scheduling';
import { randomUUID } from 'node:crypto';
import { HEAD_SOURCE, identityOf, headIdentity, promptOf, type ChunkLayout, type ChunkScope } from './chunk-layout.js';
import { knownVariant, type KnownVariant } from './chunk-rows.js';
import { textRow, type ChunkText } from './chunk-texts.js';
import type { EngineShelf } from './engine-shelf.js';

/** A planned turn. */
export interface PlannedTurn {
  readonly shelf: EngineShelf;
  readonly plan: ChunkPlan;
  readonly layout: ChunkLayout;
  readonly scope: ChunkScope;
  readonly quality: QualityController;
  readonly decision: QualityDecision;
  readonly work: ChunkWork;
  /** What each captured variant will be, by its name. */
  readonly captures: ReadonlyMap<string, Omit<Parameters<typeof knownVariant>[1], 'storedAt'>>;
}

/** A prompt, and that its chunks were asked for. */
export interface LookedUp {
  readonly prompt: ChunkPrompt;
  /** Stored variants of its chunks. */
  readonly variants: number;
}

/** What a turn is planned from. */
export interface PlanParts {
  readonly found: LookedUp;
  readonly layout: ChunkLayout;
  readonly scope: ChunkScope;
  readonly shelf: EngineShelf;
  readonly planner: ChunkPlanner;
  readonly quality: QualityController;
  /** Uniform in [0, 1). */
  readonly draw: number;
}

/** Modifies the shelf: the chunks of a prompt are asked for. */
export const lookUpChunks = ({ layout, scope, shelf }: Pick<PlanParts, 'layout' | 'scope' | 'shelf'>): LookedUp => {
  const prompt = promptOf(layout, scope);
  const preceding: string[] = [];
  for (const { chunk: of } of prompt.chunks) {
    shelf.reference(of.id, [...preceding]);
    preceding.push(of.id);
  }
  if (prompt.head !== null) shelf.reference(prompt.head.id, []);
  const variants = prompt.chunks.reduce((sum, { chunk: of }) => sum + shelf.variantsOf(of.id).length, 0);
  return { prompt, variants };
};

/** Modifies the controller: plans a turn for an engine. */
export const planTurnChunks = (parts: PlanParts): PlannedTurn => {
  const { found, layout, scope, shelf, planner, quality } = parts;
  const { prompt } = found;
  const { recomputeShare } = quality;
  const made = planner.plan({ prompt, variantsOf: (id) => shelf.variantsOf(id), recomputeShare });
  const plan = lowerPlan(made, shelf.capabilities);
  const decision = decisionOf(plan, parts);
  const identities = identitiesOf(layout, scope);
  const captures = new Map<string, Omit<Parameters<typeof knownVariant>[1], 'storedAt'>>();
  const proto = planToProto(plan, {
    generationOf: (variantId) => shelf.generationOf(variantId),
    tokenDigestOf: (segment) => digestOf(segment, identities),
    specOf: ({ chunk: id, preceding: before }) => {
      const of = identities.get(id)!;
      const variantId = `v-${randomUUID()}`;
      const isHead = of.id === prompt.head?.id;
      captures.set(variantId, {
        chunk: of,
        name: isHead ? HEAD_SOURCE : nameOf(layout, of),
        preceding: before.map((other) => identities.get(other)!),
        foundation: isHead ? 'bare' : 'system',
        foundationDigest: isHead ? '' : prompt.headDigest,
      });
      return specOf(of, variantId, before);
    },
  });
  const { epoch, fingerprint } = shelf.capabilities;
  const work = { plan: proto, salt: wireSalt(scope), epoch, fingerprint };
  return {
    ...{ shelf, plan, layout, scope, quality, decision, captures },
    work: { ...work, isShadowed: decision.isShadowed },
  };
};

/** Modifies the controller. It hears of turns that reuse, and of those that would if it let them; others have no loss. */
const decisionOf = (plan: ChunkPlan, { found, quality, draw }: PlanParts): QualityDecision => {
  const { recomputeShare, reason } = quality;
  if (found.variants === 0) return { recomputeShare, isShadowed: false, reason: 'nothing is stored of these chunks' };
  const isReusing = plan.segments.some(({ kind }) => kind === 'reuse');
  return isReusing || recomputeShare >= 1 ? quality.decide(draw) : { recomputeShare, isShadowed: false, reason };
};

/** Pure. How a variant is named towards an engine: the source is of a tenant, so the tenant goes with it. */
export const specOf = (of: ChunkIdentity, variantId: string, preceding: readonly string[]): chunk.VariantSpec => ({
  variantId,
  chunkId: of.id,
  prefixChunkIds: [...preceding],
  salt: wireSalt(of),
  source: textDigest([of.tenant, of.source]),
  sourceVersion: of.sourceVersion,
  tier: chunk.Tier.UNSPECIFIED,
});

/** Pure. What keeps tenants apart in an engine; it says neither who the tenant is nor what its salt is. */
export const wireSalt = ({ tenant, salt }: Pick<ChunkScope, 'tenant' | 'salt'>): string =>
  textDigest(['salt/1', tenant, salt]);

/** Modifies the shelf and the controller: an engine has run the turn. Returns what its chunks cost. */
export const settleTurnChunks = (planned: PlannedTurn, result: chunk.ExecuteResult, now: Instant): wire.ChunkUse => {
  const { plan, shelf, quality, decision, captures } = planned;
  const fresh = result.captured.flatMap((stored): KnownVariant[] => {
    const facts = captures.get(stored.spec?.variantId ?? '');
    return facts === undefined ? [] : [knownVariant(stored, { ...facts, storedAt: now })];
  });
  const freshIds = new Set(fresh.map(({ variant }) => variant.chunk.id));
  const texts = textsOf(planned).filter(({ chunk: of }) => freshIds.has(of.id));
  shelf.stored(
    fresh,
    texts.map((text) => textRow(text, now)),
  );
  const loss = result.shadow?.klPerToken;
  if (planned.work.isShadowed && loss !== undefined && loss >= 0) {
    quality.observe({ loss, recomputeShare: decision.recomputeShare });
  }
  const use = wire.ChunkUse.create({ recomputeShare: decision.recomputeShare, shadowKl: loss });
  const { headIds } = planned.layout;
  for (const [index, segment] of plan.segments.entries()) {
    const done = result.segments[index];
    if (segment.chunk === null || segment.start < headIds.length || done === undefined) continue;
    if (done.variantId === '') use.computedTokens += done.recomputedTokens;
    else {
      use.reusedTokens += done.reusedTokens;
      use.recomputedTokens += done.recomputedTokens;
      use.reusedChunks += 1;
    }
  }
  const lowered = [
    ...plan.lowered.map(({ from, to }) => `${from} -> ${to}`),
    ...result.lowered.map(({ from, to }) => `${from} -> ${to}`),
  ];
  const misses = result.segments.filter(({ missReason }) => missReason !== 0).length;
  use.reason = [
    decision.reason,
    ...(lowered.length === 0 ? [] : [`lowered: ${[...new Set(lowered)].join(', ')}`]),
    ...(misses === 0 ? [] : [`${misses} variants were not there`]),
  ].join('; ');
  return use;
};

/** Pure. The system prompt and the chunks of a planned turn. */
const textsOf = ({ layout, scope }: PlannedTurn): readonly ChunkText[] => [
  { chunk: headIdentity(layout.headIds, scope), name: HEAD_SOURCE, tokenIds: layout.headIds },
  ...layout.chunks.map((one) => ({ chunk: identityOf(one, scope), name: one.name, tokenIds: one.tokenIds })),
];

const identitiesOf = (layout: ChunkLayout, scope: ChunkScope): ReadonlyMap<string, ChunkIdentity> =>
  new Map(
    [headIdentity(layout.headIds, scope), ...layout.chunks.map((one) => identityOf(one, scope))].map((of) => [
      of.id,
      of,
    ]),
  );

const nameOf = ({ chunks }: ChunkLayout, of: ChunkIdentity): string =>
  chunks.find(({ tokenDigest, source }) => tokenDigest === of.tokenDigest && source === of.source)?.name ?? '';

const digestOf = ({ chunk: id }: PlanSegment, identities: ReadonlyMap<string, ChunkIdentity>): Buffer =>
  Buffer.from((id === null ? undefined : identities.get(id))?.tokenDigest ?? '', 'hex');
