import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GrowthForecast } from './growth-forecast.js';

const run = (forecast: GrowthForecast, programClass: string, sizes: readonly number[], isOver = true): void => {
  let from: number | null = null;
  for (const size of sizes) {
    forecast.grew(programClass, from, size);
    from = size;
  }
  if (isOver && from !== null) forecast.ended(programClass, from);
};

describe('a growth forecast', () => {
  it('expects a program that nothing is known about to grow', () => {
    expect(new GrowthForecast().expectedFinal('new', 1_000, 100_000)).toBeGreaterThan(1_500);
  });

  it('learns where programs of a class end', () => {
    const forecast = new GrowthForecast();
    for (let index = 0; index < 200; index += 1) run(forecast, 'small', [2_000, 8_000]);
    for (let index = 0; index < 200; index += 1) run(forecast, 'large', [2_000, 8_000, 30_000, 60_000]);
    expect(forecast.expectedFinal('small', 2_000, 400_000)).toBeGreaterThan(6_000);
    expect(forecast.expectedFinal('small', 2_000, 400_000)).toBeLessThan(11_000);
    expect(forecast.expectedFinal('large', 2_000, 400_000)).toBeGreaterThan(45_000);
    expect(forecast.expectedFinal('large', 2_000, 400_000)).toBeLessThan(80_000);
  });

  it('counts programs that still run as far as they have come', () => {
    const ended = new GrowthForecast();
    const alsoRunning = new GrowthForecast();
    for (let index = 0; index < 20; index += 1) {
      run(ended, 'c', [1_000, 4_000]);
      run(alsoRunning, 'c', [1_000, 4_000]);
      run(alsoRunning, 'c', [1_000, 40_000], false);
    }
    expect(alsoRunning.expectedFinal('c', 1_000, 1e6)).toBeGreaterThan(2 * ended.expectedFinal('c', 1_000, 1e6));
  });

  it('stays between what a context is and what an engine holds, and never falls as contexts grow', () => {
    const histories = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat(200_000), fc.nat(200_000)), {
      maxLength: 50,
    });
    fc.assert(
      fc.property(
        histories,
        fc.integer({ min: 1, max: 150_000 }),
        fc.integer({ min: 1, max: 20_000 }),
        (past, at, more) => {
          const forecast = new GrowthForecast();
          for (const [programClass, first, growth] of past) run(forecast, programClass, [first, first + growth]);
          const expected = forecast.expectedFinal('a', at, 200_000);
          expect(expected).toBeGreaterThanOrEqual(at);
          expect(expected).toBeLessThanOrEqual(200_000);
          expect(forecast.expectedFinal('a', at + more, 200_000)).toBeGreaterThanOrEqual(at + more);
        },
      ),
    );
  });
});
