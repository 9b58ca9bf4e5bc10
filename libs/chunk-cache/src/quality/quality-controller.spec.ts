import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { defaultQualityRules, QualityController, type QualityRules } from './quality-controller.js';

/** A small generator with a seed, so that each run is the same one. */
const streamOf = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Losses as measured ones are: falling with the share, skewed, many small and few large. */
const lossAt = (damage: number, recomputeShare: number, random: () => number): number => {
  if (recomputeShare >= 1) return 0;
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return damage * (1 - recomputeShare) ** 1.5 * Math.exp(0.7 * normal - 0.245);
};

interface Run {
  readonly turns: number;
  readonly shadows: number;
  readonly sampled: readonly number[];
  readonly meanLoss: number;
  readonly shares: readonly number[];
}

const run = (
  damageAt: (turn: number) => number,
  turns: number,
  { seed = 1, rules = defaultQualityRules } = {},
): Run => {
  const controller = new QualityController(rules);
  const random = streamOf(seed);
  const sampled: number[] = [];
  const shares: number[] = [];
  let total = 0;
  for (let turn = 0; turn < turns; turn += 1) {
    const { recomputeShare, isShadowed } = controller.decide(random());
    const loss = lossAt(damageAt(turn), recomputeShare, random);
    total += loss;
    shares.push(recomputeShare);
    if (!isShadowed) continue;
    sampled.push(loss);
    controller.observe({ loss, recomputeShare });
  }
  return { turns, shadows: sampled.length, sampled, meanLoss: total / turns, shares };
};

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const { lossBound, mostShadowShare } = defaultQualityRules;
const TURNS = 20_000;
/** Damage without recomputation: at first a share of 0.1 is enough, at last hardly any share is. */
const drifting = (turn: number): number => 0.03 + 0.25 * Math.min(1, Math.max(0, (turn - 4_000) / 8_000));

describe('the quality controller', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'keeps the sampled loss of a stream that gets worse below the bound (seed %d)',
    (seed) => {
      const { sampled, meanLoss, shadows, shares } = run(drifting, TURNS, { seed });
      expect(mean(sampled)).toBeLessThan(lossBound);
      for (let from = 0; from + 100 <= sampled.length; from += 50) {
        expect(mean(sampled.slice(from, from + 100))).toBeLessThan(lossBound);
      }
      expect(meanLoss).toBeLessThan(lossBound);
      expect(shadows / TURNS).toBeLessThanOrEqual(mostShadowShare);
      expect(shares.at(-1)).toBeGreaterThan(shares[0]!);
    },
  );

  it('keeps it below the bound where no share but the greatest is enough at last, whatever the chance', () => {
    // As steep as the stream of test/e2e/chunk-quality.spec.ts; half of its turns reuse twice as much as the others.
    const steep = (turn: number): number => (turn % 2 === 0 ? 0.8 : 0.4) * (0.1 + 0.0003 * turn);
    for (let seed = 1; seed <= 200; seed += 1) {
      const { sampled } = run(steep, 1_000, { seed });
      expect(mean(sampled)).toBeLessThan(lossBound);
      expect(sampled.length).toBeGreaterThan(0.02 * 1_000);
    }
  });

  it('looks at a quiet stream in each stretch of it, at any turn there', () => {
    const controller = new QualityController();
    const random = streamOf(7);
    const at: number[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      const { isShadowed, recomputeShare } = controller.decide(random());
      if (!isShadowed) continue;
      at.push(turn);
      controller.observe({ loss: lossBound / 2, recomputeShare });
    }
    const gaps = at.slice(1).map((turn, index) => turn - at[index]!);
    expect(Math.max(...gaps)).toBeLessThan(2 * 33);
    expect(new Set(gaps.slice(10)).size).toBeGreaterThan(30);
  });

  it('without it the same stream passes the bound', () => {
    const random = streamOf(1);
    const losses = Array.from({ length: TURNS }, (_, turn) => lossAt(drifting(turn), 0.1, random));
    expect(mean(losses)).toBeGreaterThan(lossBound);
  });

  it('recomputes less while the stream is harmless, and more at once after a jump', () => {
    const { shares, sampled } = run((turn) => (turn < 10_000 ? 0.01 : 0.2), TURNS, { seed: 3 });
    expect(shares[9_999]).toBeLessThan(defaultQualityRules.firstShare);
    expect(shares[11_000]).toBeGreaterThan(defaultQualityRules.firstShare);
    expect(mean(sampled)).toBeLessThan(lossBound);
  });

  it('reuses nothing where no share is enough, and tries again later', () => {
    const { shares, meanLoss } = run((turn) => (turn < 5_000 ? 5 : 0.02), TURNS, { seed: 5 });
    expect(shares.slice(0, 5_000)).toContain(1);
    expect(shares.at(-1)).toBeLessThan(1);
    expect(meanLoss).toBeLessThan(lossBound);
  });

  it('says what it saw when it changes the share', () => {
    const controller = new QualityController();
    for (let sample = 0; sample < 4; sample += 1) controller.observe({ loss: 0.06, recomputeShare: 0.3 });
    expect(controller.decide(0.9)).toMatchObject({
      recomputeShare: 0.5,
      reason: 'raised from 0.3 to 0.5: mean loss 0.0600 of 4 shadow runs, bound 0.04',
    });
  });

  it('takes no notice of a run at a share that is no longer in force', () => {
    const controller = new QualityController();
    for (let sample = 0; sample < 9; sample += 1) controller.observe({ loss: 9, recomputeShare: 0.1 });
    expect(controller.recomputeShare).toBe(0.3);
    expect(controller.estimatedLoss).toBeNull();
  });

  it('never shadows more than it may, up to any turn, whatever it sees', () => {
    const step = fc.record({
      draw: fc.double({ min: 0, max: 0.999, noNaN: true }),
      loss: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.double({ min: 0, max: 1, noNaN: true }), (steps, most) => {
        const controller = new QualityController({ ...defaultQualityRules, mostShadowShare: most });
        let shadows = 0;
        for (const [turn, { draw, loss }] of steps.entries()) {
          const { isShadowed, recomputeShare } = controller.decide(draw);
          if (isShadowed) shadows += 1;
          expect(shadows).toBeLessThanOrEqual(most * (turn + 1) + 1e-6);
          if (isShadowed) controller.observe({ loss, recomputeShare });
        }
      }),
    );
  });

  it.each<[Partial<QualityRules>, string]>([
    [{ lossBound: 0 }, 'lossBound is 0'],
    [{ mostShadowShare: 2 }, 'mostShadowShare is 2'],
    [{ firstShare: 0.33 }, 'firstShare is 0.33; allowed is one of'],
  ])('refuses the rules %j', (rules, message) => {
    expect(() => new QualityController({ ...defaultQualityRules, ...rules })).toThrow(message);
  });
});
