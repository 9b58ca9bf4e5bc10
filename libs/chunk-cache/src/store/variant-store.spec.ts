import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chunkTraits, variantOf } from '../chunks.fixture.js';
import { createEviction, evictionPolicies, type EvictionName } from '../eviction/registry.js';
import { identifyChunk } from '../identity/chunk-identity.js';
import type { ShareForm } from '../score/recompute-share.js';
import { VariantStore } from './variant-store.js';
import type { Variant } from './variant.js';

const FORM: ShareForm = { kind: 'symmetric', alpha: 1 };
const NAMES = evictionPolicies().map(({ name }) => name);
const storeOf = (name: EvictionName, capacityBytes: number): VariantStore =>
  new VariantStore({ capacityBytes, form: FORM, eviction: createEviction(name, { objective: 'work', form: FORM }) });
const idOf = (name: string): string => variantOf(name).chunk.id;

describe('a variant store', () => {
  it('finds the variant whose context is nearest', () => {
    const store = storeOf('lru', 1_000);
    for (const behind of ['', 'ab', 'cd']) store.put(variantOf('x', behind));
    expect(store.find(idOf('x'), [idOf('c'), idOf('d')])).toMatchObject({ variant: { id: 'x<cd' }, recomputeShare: 0 });
  });

  it('throws away what was computed in sight of invalid text', () => {
    const store = storeOf('lru', 1_000);
    for (const variant of [variantOf('a'), variantOf('x', 'a'), variantOf('x', 'b')]) store.put(variant);
    store.invalidate(({ id }) => id === idOf('a'));
    expect(store.variants().map(({ id }) => id)).toEqual(['x<b']);
  });

  it('does not find a chunk by another source version, tenant, salt or fingerprint', () => {
    const store = storeOf('lru', 1_000);
    store.put(variantOf('x'));
    expect(store.find(idOf('y'), [])).toBeNull();
  });

  it.each(NAMES)('%s never holds more than fits, and counts what it holds', (name) => {
    const step = fc.tuple(fc.constantFrom(...'abcdef'), fc.constantFrom('', 'a', 'bc', 'ef'));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 60 }), (steps, capacity) => {
        const store = storeOf(name, capacity);
        for (const [chunk, behind] of steps) {
          const context = [...behind].map(idOf);
          const found = store.reference(idOf(chunk), context);
          if (found?.recomputeShare !== 0) store.put(variantOf(chunk, behind.replace(chunk, '')));
          expect(store.usedBytes).toBeLessThanOrEqual(capacity);
          expect(store.usedBytes).toBe(store.variants().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('keeps a tenant within its quota at the cost of that tenant alone', () => {
    const ofTenant = (name: string, tenant: string): Variant => {
      const chunk = identifyChunk({ ...chunkTraits(name), tenant });
      return { ...variantOf(name), id: `${tenant}/${name}`, chunk };
    };
    const store = new VariantStore({
      capacityBytes: 1_000,
      form: FORM,
      eviction: createEviction('lru', { objective: 'work', form: FORM }),
      quotaBytes: (tenant) => (tenant === 'small' ? 20 : Infinity),
    });
    for (const name of 'abcd') store.put(ofTenant(name, 'large'));
    const removed = [...'abc'].flatMap((name) => store.put(ofTenant(name, 'small')));
    expect(removed.map(({ variant, reason }) => [variant.id, reason])).toEqual([['small/a', 'quota']]);
    expect([store.usedBytesOf('small'), store.usedBytesOf('large'), store.usedBytesOf('none')]).toEqual([20, 40, 0]);
  });

  it('holdfast keeps the only copy of a popular chunk and gives up a second one of the same use', () => {
    const store = storeOf('holdfast', 30);
    for (const [chunk, behind] of [
      ['x', 'a'],
      ['y', 'a'],
      ['x', 'ab'],
    ] as const) {
      store.reference(idOf(chunk), [...behind].map(idOf));
      store.put(variantOf(chunk, behind));
    }
    for (let round = 0; round < 5; round += 1) {
      store.reference(idOf('x'), [idOf('a')]);
      store.reference(idOf('y'), [idOf('a')]);
    }
    store.reference(idOf('z'), []);
    const removed = store.put(variantOf('z'));
    expect(removed.map(({ variant }) => variant.id)).toEqual(['x<ab']);
  });
});
