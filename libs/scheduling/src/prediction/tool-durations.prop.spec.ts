import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DurationKey } from './duration-predictor.js';
import { ToolDurations } from './tool-durations.js';

const key = (tool: string, programId = 'p'): DurationKey => ({ tenantId: 't', programClass: 'c', programId, tool });

const learned = (tool: string, durations: readonly number[], programId = 'past'): ToolDurations => {
  const predictor = new ToolDurations();
  for (const toSeconds of durations) {
    predictor.observe(key(tool, programId), { fromSeconds: 0, toSeconds, isOver: true });
  }
  return predictor;
};

const calls = fc.array(fc.double({ min: 0.002, max: 5_000, noNaN: true }), { minLength: 1, maxLength: 60 });

describe('durations of tools', () => {
  it('have quantiles that rise, lie after what has elapsed and before the timeout, and agree with probabilities', () => {
    fc.assert(
      fc.property(
        calls,
        fc.double({ min: 0, max: 500, noNaN: true }),
        fc.integer({ min: 1, max: 900 }),
        (past, at, more) => {
          const forecast = learned('bash:make', past).predict(key('bash:make'), at, at + more);
          const quantiles = [0.1, 0.5, 0.9].map((probability) => forecast.quantile(probability));
          expect(quantiles).toEqual([...quantiles].sort((a, b) => a - b));
          expect(quantiles[0]).toBeGreaterThanOrEqual(at);
          expect(quantiles[2]).toBeLessThanOrEqual(at + more);
          expect(forecast.probabilityWithin(at + more)).toBe(1);
          expect(forecast.probabilityWithin(quantiles[1]!)).toBeGreaterThan(0.49);
        },
      ),
    );
  });

  it('return at least as fast as holding to the end would say', () => {
    fc.assert(
      fc.property(calls, (past) => {
        const many = [...past, ...past, ...past, ...past, ...past, ...past, ...past, ...past];
        const rate = learned('t', many).predict(key('t'), 0, 5_000).returnRate(0.2);
        expect(rate).toBeGreaterThan(0);
        expect(Number.isFinite(rate)).toBe(true);
      }),
    );
  });

  it('of a command class that was never seen are those of its tool', () => {
    const predictor = learned(
      'bash:make',
      Array.from({ length: 200 }, () => 40),
    );
    expect(predictor.predict(key('bash:new', 'other'), 0).quantile(0.5)).toBeGreaterThan(30);
  });

  it('of a program follow its own calls', () => {
    const predictor = learned(
      'pytest',
      Array.from({ length: 200 }, () => 2),
    );
    for (let call = 0; call < 8; call += 1) {
      predictor.observe(key('pytest', 'slow'), { fromSeconds: 0, toSeconds: 60, isOver: true });
    }
    expect(predictor.predict(key('pytest', 'slow'), 0).quantile(0.5)).toBeGreaterThan(30);
    predictor.forget('slow');
    expect(predictor.predict(key('pytest', 'slow'), 0).quantile(0.5)).toBeLessThan(4);
  });

  it('count calls that still run: what is known only of the quick ones is too quick', () => {
    const predictor = learned(
      'build',
      Array.from({ length: 20 }, () => 1),
    );
    const before = predictor.predict(key('build'), 0).quantile(0.5);
    for (let call = 0; call < 60; call += 1) {
      predictor.observe(key('build'), { fromSeconds: 0, toSeconds: 30, isOver: false });
    }
    expect(predictor.predict(key('build'), 0).quantile(0.5)).toBeGreaterThan(10 * before);
  });
});
