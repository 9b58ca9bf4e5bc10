import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chunkTraits, variantOf } from '../chunks.fixture.js';
import { identifyChunk, type ChunkTraits } from '../identity/chunk-identity.js';
import { recomputeShare } from '../score/recompute-share.js';
import { variantContext } from '../store/variant-context.js';
import type { Foundation, Variant } from '../store/variant.js';
import { fixTokens, planTokens, type ChunkPlan, type ChunkPrompt } from './chunk-plan.js';
import { chunkPlanners, createPlanner, type PlannerName } from './registry.js';

const chunkOf = (name: string) => identifyChunk(chunkTraits(name));
const idOf = (name: string): string => chunkOf(name).id;
const HEAD = identifyChunk({ ...chunkTraits('head'), source: 'system' });

/** A prompt of 8 tokens of system prompt, chunks of 10 tokens each, and a question of 5. */
const promptOf = (chunks: string, overrides: Partial<ChunkPrompt> = {}): ChunkPrompt => ({
  headTokens: 8,
  headDigest: 'p',
  head: HEAD,
  chunks: [...chunks].map((name) => ({ chunk: chunkOf(name), lengthTokens: 10 })),
  tailTokens: 5,
  ...overrides,
});

const headVariant: Variant = {
  ...variantOf('head'),
  id: 'head',
  chunk: HEAD,
  context: variantContext(HEAD, { preceding: [], intra: 1, impact: 0, foundation: 'bare', foundationDigest: '' }),
  lengthTokens: 8,
};

const founded = (variant: Variant, foundation: Foundation): Variant => ({
  ...variant,
  id: `${variant.id}/${foundation}`,
  context: { ...variant.context, foundation },
});

const plan = (name: PlannerName, prompt: ChunkPrompt, variants: readonly Variant[], share = 0.3): ChunkPlan =>
  createPlanner(name).plan({
    prompt,
    recomputeShare: share,
    variantsOf: (id) => variants.filter(({ chunk }) => chunk.id === id),
  });
const kinds = ({ segments }: ChunkPlan): string =>
  segments.map((segment) => (segment.kind === 'compute' ? 'compute' : `${segment.kind} ${segment.variant}`)).join(', ');

describe('every planner', () => {
  const names = chunkPlanners().map(({ name }) => name);

  it.each(names)('%s uses an exact prefix as far as it reaches', (name) => {
    const variants = [headVariant, variantOf('a'), variantOf('b', 'a'), variantOf('c', 'b')];
    expect(kinds(plan(name, promptOf('ab'), variants))).toBe('prefix head, prefix a<, prefix b<a, compute');
  });

  it.each(names)(
    '%s does not take for exact what was computed behind another head, or repaired, or is a mean',
    (name) => {
      for (const variant of [
        { ...variantOf('a'), context: { ...variantOf('a').context, foundationDigest: 'other' } },
        { ...variantOf('a'), depth: 1 },
        founded(variantOf('a'), 'neutral'),
        variantOf('a', 'b'),
        variantOf('a', '', 9),
      ]) {
        expect(kinds(plan(name, promptOf('a'), [headVariant, variant]))).not.toContain('prefix a');
      }
    },
  );

  it.each(names)('%s computes everything of an empty store, and stores each chunk under its own context', (name) => {
    const { segments, captures } = plan(name, promptOf('ab'), []);
    expect(segments.map(({ kind, start, end }) => `${kind} ${start}-${end}`)).toEqual([
      'compute 0-8',
      'compute 8-18',
      'compute 18-28',
      'compute 28-33',
    ]);
    expect(captures).toEqual([
      { segment: 0, chunk: HEAD.id, preceding: [] },
      { segment: 1, chunk: idOf('a'), preceding: [] },
      { segment: 2, chunk: idOf('b'), preceding: [idOf('a')] },
    ]);
  });

  it.each(names)('%s stores nothing that is computed behind reused KV, so that errors never add up', (name) => {
    const made = plan(name, promptOf('abc'), [headVariant, variantOf('a', 'z')]);
    const reused = made.segments.findIndex(({ kind }) => kind === 'reuse');
    for (const { segment } of made.captures) expect(reused === -1 || segment < reused).toBe(true);
  });

  it.each(names)('%s reuses nothing but exact KV when everything is to be recomputed', (name) => {
    const made = plan(name, promptOf('ab'), [headVariant, variantOf('a', 'z'), variantOf('b', 'z')], 1);
    expect(kinds(made)).toBe('prefix head, compute, compute, compute');
  });

  it.each(names)('%s tiles any prompt, computes its tail, and counts every token once', (name) => {
    const letters = fc.uniqueArray(fc.constantFrom(...'abcdef'), { maxLength: 5 });
    const stored = fc.array(
      fc.tuple(fc.constantFrom(...'abcdef'), letters, fc.constantFrom<Foundation>('system', 'neutral')),
      {
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(letters, stored, fc.double({ min: 0, max: 1, noNaN: true }), (chunks, list, share) => {
        const variants = list.map(([chunk, behind, foundation]) =>
          founded(variantOf(chunk, behind.filter((other) => other !== chunk).join('')), foundation),
        );
        const made = plan(name, promptOf(chunks.join('')), variants, share);
        let at = 0;
        for (const segment of made.segments) {
          expect(segment.start).toBe(at);
          at = segment.end;
          if (segment.kind === 'reuse') expect(fixTokens(segment.fix)).toBeLessThanOrEqual(segment.end - segment.start);
        }
        expect(at).toBe(8 + 10 * chunks.length + 5);
        expect(made.segments.at(-1)).toMatchObject({ kind: 'compute', chunk: null });
        const firstOther = made.segments.findIndex(({ kind }) => kind !== 'prefix');
        expect(made.segments.slice(firstOther).every(({ kind }) => kind !== 'prefix')).toBe(true);
        const { computed, prefix, reused, recomputed } = planTokens(made);
        expect(computed + prefix + reused + recomputed).toBe(at);
        expect(reused).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it.each(names)(
    '%s finds nothing of another tenant, salt, source, version, fingerprint or text: all pairs',
    (name) => {
      const traits = Object.keys(chunkTraits('x')) as (keyof ChunkTraits)[];
      const variations = [{}, ...traits.map((trait) => ({ [trait]: 'other' }))].map((change) => ({
        ...chunkTraits('x'),
        ...change,
      }));
      for (const [storedAt, storedTraits] of variations.entries()) {
        for (const [askedAt, askedTraits] of variations.entries()) {
          const chunk = identifyChunk(storedTraits);
          const variant = { ...variantOf('x'), chunk, context: { ...variantOf('x').context } };
          const asked = { chunk: identifyChunk(askedTraits), lengthTokens: 10 };
          const made = plan(name, promptOf('', { head: null, chunks: [asked] }), [variant]);
          expect(made.segments[1]!.kind === 'compute').toBe(storedAt !== askedAt || name === 'prefix-only');
        }
      }
    },
  );

  it.each(names)('%s refuses a prompt without a question, one with a chunk twice, and a share that is none', (name) => {
    expect(() => plan(name, promptOf('a', { tailTokens: 0 }), [])).toThrow('tailTokens is 0; allowed is at least 1');
    expect(() => plan(name, promptOf('aa'), [])).toThrow('stands twice');
    expect(() => plan(name, promptOf('a'), [], 1.5)).toThrow('recomputeShare is 1.5; allowed is 0 to 1');
  });
});

describe('Cache-Craft', () => {
  const far = variantOf('a', 'xy');
  const near = variantOf('a', 'z');

  it('takes the variant of least CFO and keeps the others as alternates', () => {
    const made = plan('cache-craft', promptOf('za'), [far, near]);
    expect(made.segments[2]).toMatchObject({ kind: 'reuse', variant: 'a<z', alternates: ['a<xy'] });
  });

  it('repairs ceil(CFO * length) tokens, those that send most attention to earlier chunks', () => {
    const tokenInter = [0, 9, 1, 8, 0, 0, 7, 0, 0, 0];
    const made = plan('cache-craft', promptOf('a'), [{ ...far, tokenInter }], 0.3);
    expect(made.segments[1]).toMatchObject({
      fix: {
        selector: 'plan',
        tokens: [
          { start: 1, end: 2 },
          { start: 3, end: 4 },
          { start: 6, end: 7 },
        ],
      },
      expected: { recomputeShare: 0.3, impact: 1, overlap: 0 },
    });
    const [, segment] = plan('cache-craft', promptOf('a'), [far], 0.3).segments;
    expect(segment).toMatchObject({ fix: { selector: 'inter', countTokens: 3 } });
  });

  it('in the form of the paper repairs nothing behind chunks that were never seen; the symmetric form does', () => {
    const fixOf = (name: PlannerName) => plan(name, promptOf('zwa'), [near], 0.5).segments[3];
    expect(fixOf('cache-craft')).toMatchObject({ kind: 'reuse', fix: null });
    expect(fixOf('cache-craft-symmetric')).toMatchObject({ kind: 'reuse', fix: { selector: 'inter' } });
  });

  it('chooses as the shares say, whatever is stored', () => {
    const letters = fc.uniqueArray(fc.constantFrom(...'bcdef'), { maxLength: 4 });
    fc.assert(
      fc.property(letters, fc.array(letters, { minLength: 1, maxLength: 6 }), (now, contexts) => {
        const variants = contexts.map((behind, index) => ({
          ...variantOf('a', behind.join('')),
          id: `${index}`,
          depth: 1,
        }));
        const segment = plan('cache-craft', promptOf([...now, 'a'].join('')), variants, 0.9).segments.at(-2)!;
        const shares = variants.map(({ context }) =>
          recomputeShare(context, now.map(idOf), { kind: 'paper', alpha: 0.9, emptyContext: 'full' }),
        );
        expect(segment).toMatchObject({ kind: 'reuse', expected: { recomputeShare: Math.min(...shares) } });
      }),
    );
  });
});

describe('holdfast', () => {
  it('spends one budget over all reused chunks, where the question looks', () => {
    const made = plan('holdfast', promptOf('ab'), [headVariant, variantOf('a', 'z'), variantOf('b', 'z')], 0.2);
    expect(kinds(made)).toBe('prefix head, reuse a<z, reuse b<z, compute');
    expect(made.requestFix).toEqual({ selector: 'query', countTokens: 4, firstTokens: 0 });
  });

  it('prefers a mean over contexts to a context that is as far away', () => {
    const single = variantOf('a', 'x');
    const made = plan('holdfast', promptOf('za'), [single, founded(variantOf('a', 'y'), 'neutral')]);
    expect(made.segments[2]).toMatchObject({ variant: 'a<y/neutral' });
  });

  it('prefers the very context', () => {
    const made = plan('holdfast', promptOf('za'), [founded(variantOf('a', 'y'), 'neutral'), variantOf('a', 'z')]);
    expect(made.segments[2]).toMatchObject({ variant: 'a<z' });
  });
});
