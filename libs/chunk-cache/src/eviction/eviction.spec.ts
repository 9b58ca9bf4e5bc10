import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { variantOf } from '../chunks.fixture.js';
import { ReferenceRates } from './reference-rates.js';
import { createEviction, type EvictionName } from './registry.js';

const GOAL = { objective: 'work', form: { kind: 'symmetric', alpha: 1 } } as const;
/** Plays uses of one-letter chunks, each stored at its first; returns the letters, least worthy first. */
const rankAfter = (name: EvictionName, uses: string, share = 0.5): string => {
  const policy = createEviction(name, GOAL);
  const variants = new Map([...new Set(uses)].map((letter) => [letter, variantOf(letter)]));
  const stored = new Set<string>();
  let tick = 0;
  for (const letter of uses) {
    tick += 1;
    const variant = variants.get(letter)!;
    policy.onReference({ chunk: variant.chunk.id, preceding: [], tick });
    if (stored.has(letter)) policy.onUse({ variant, recomputeShare: share, tick });
    else policy.onStored(variant, tick);
    stored.add(letter);
  }
  const worth = (letter: string): number => policy.worth(variants.get(letter)!, tick);
  return [...variants.keys()].sort((a, b) => worth(a) - worth(b)).join('');
};

describe('what leaves first', () => {
  it('under lru is what was not used the longest', () => expect(rankAfter('lru', 'aaabcb')).toBe('acb'));
  it('under lfu is what was used least', () => expect(rankAfter('lfu', 'aaabcb')).toBe('cba'));
  it('under holdfast is what is asked for least, by bursts and by days', () => {
    expect(rankAfter('holdfast', 'aaaaabcb')[2]).toBe('a');
    expect(rankAfter('holdfast', `${'a'.repeat(3)}${'bc'.repeat(60)}`)[0]).toBe('a');
  });

  it("under Cache-Craft's score is what was used rarely or at a high price, which ages only where it is told to", () => {
    expect(rankAfter('cache-craft', 'aaab')).toBe('ba');
    const longAgo = `${'a'.repeat(20)}${'b'.repeat(12)}${'c'.repeat(9_000)}`;
    expect(rankAfter('cache-craft', longAgo)[0]).toBe('b');
    const policy = createEviction('cache-craft-aged', GOAL);
    const [old, young] = [variantOf('o'), variantOf('y')];
    policy.onStored(old, 1);
    for (let use = 0; use < 3; use += 1) policy.onUse({ variant: old, recomputeShare: 0.5, tick: 1 });
    policy.onStored(young, 20_000);
    policy.onUse({ variant: young, recomputeShare: 0.5, tick: 20_000 });
    expect(policy.worth(old, 20_000)).toBeLessThan(policy.worth(young, 20_000));
  });

  it('under gdsf ages with what has left', () => {
    const policy = createEviction('gdsf', GOAL);
    const [old, gone, young] = ['o', 'g', 'y'].map((name) => variantOf(name));
    policy.onStored(old!, 1);
    policy.onStored(gone!, 2);
    policy.onUse({ variant: gone!, recomputeShare: 0, tick: 3 });
    policy.onRemoved(gone!);
    policy.onStored(young!, 4);
    expect(policy.worth(young!, 4)).toBeGreaterThan(policy.worth(old!, 4));
  });
});

describe('rates of references', () => {
  it('stay right when counts are taken back to small numbers', () => {
    const scales = [{ halfLifeReferences: 2, weight: 1 }];
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 30 }), (steps) => {
        const rates = new ReferenceRates(scales, 10);
        let tick = 0;
        let expected = 0;
        for (const step of steps) {
          tick += step;
          rates.count('a', tick);
          expected = expected * 2 ** (-step / 2) + 1;
        }
        expect(rates.rate('a')).toBeCloseTo(expected, 6);
      }),
    );
  });

  it('forget what was not asked for the longest when there are too many', () => {
    const rates = new ReferenceRates([{ halfLifeReferences: 100, weight: 1 }], 2);
    for (const [tick, chunk] of ['a', 'b', 'a', 'c'].entries()) rates.count(chunk, tick + 1);
    expect(rates.rate('b')).toBe(0);
    expect(rates.rate('a')).toBeGreaterThan(0);
  });
});
