import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { instant } from '../../model/units.js';
import { Claims, type Claim } from './claims.js';

const claim = (tokens: number, prefix?: Claim['prefix'], engineId = 'e1'): Claim => ({
  engineId,
  tenantId: 't',
  tokens,
  finalTokens: tokens,
  since: instant(0),
  ...(prefix === undefined ? {} : { prefix }),
});

const prefix = { group: 'swe', tokens: 300 };

describe('claims', () => {
  it('count a prefix that several programs share once on each engine, whoever of them ends first', () => {
    const claims = new Claims();
    claims.set('a', claim(1_000, prefix));
    claims.set('b', claim(2_000, prefix));
    claims.set('c', claim(4_000, prefix));
    claims.set('elsewhere', claim(1_000, prefix, 'e2'));
    claims.set('alone', claim(500));
    expect(claims.ofEngine('e1')).toBe(1_000 + 1_700 + 3_700 + 500);
    expect(claims.ofEngine('e2')).toBe(1_000);
    claims.drop('a');
    expect(claims.ofEngine('e1')).toBe(2_000 + 3_700 + 500);
    claims.drop('c');
    claims.drop('b');
    expect(claims.ofEngine('e1')).toBe(500);
    expect(claims.hasPrefix('e1', 'swe')).toBe(false);
    expect(claims.hasPrefix('e2', 'swe')).toBe(true);
  });

  it('are at any time the sum of all, less what all but the first of each group share', () => {
    const change = fc.record({
      programId: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      engineId: fc.constantFrom('e1', 'e2'),
      tokens: fc.integer({ min: 400, max: 9_000 }),
      group: fc.constantFrom(undefined, 'g1', 'g2'),
      drops: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60, size: 'max' }), (changes) => {
        const claims = new Claims();
        // In order of the last change, as the sharers stand.
        const live = new Map<string, Claim>();
        for (const { programId, engineId, tokens, group, drops } of changes) {
          live.delete(programId);
          if (drops) claims.drop(programId);
          else {
            const next = claim(tokens, group === undefined ? undefined : { group, tokens: 400 }, engineId);
            live.set(programId, next);
            claims.set(programId, next);
          }
          for (const engine of ['e1', 'e2']) {
            const here = [...live.values()].filter((other) => other.engineId === engine);
            const groups = new Set(here.flatMap((other) => other.prefix?.group ?? []));
            const sharers = here.filter((other) => other.prefix !== undefined).length;
            const whole = here.reduce((sum, other) => sum + other.tokens, 0);
            expect(claims.ofEngine(engine)).toBe(whole - 400 * (sharers - groups.size));
          }
        }
      }),
    );
  });
});
