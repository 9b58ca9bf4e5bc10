import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { seconds } from '../model/units.js';
import { happenings, POLICY_SPECS, World, type Happening } from '../kernel/world.fixture.js';
import { guarded } from './guarded-policy.fixture.js';
import { parsePolicy } from './registry.js';

const run = (world: World, history: readonly Happening[]): World => {
  for (const happening of history) world.step(happening);
  return world;
};

const RUNS = { numRuns: 20 };

describe.each(POLICY_SPECS)('policy %s', (spec) => {
  it('decides the same when the same happens again', () => {
    fc.assert(
      fc.property(happenings, (history) => {
        const commands = (): string => JSON.stringify(run(new World(spec), history).fixture.log);
        expect(commands()).toBe(commands());
      }),
      RUNS,
    );
  });

  it('reads nothing but facts, changes none, ranks with safe integers and holds at lawful terms', () => {
    fc.assert(
      fc.property(happenings, (history) => {
        const watched = run(new World(guarded(parsePolicy(spec))), history);
        expect(JSON.stringify(watched.fixture.log)).toBe(JSON.stringify(run(new World(spec), history).fixture.log));
      }),
      RUNS,
    );
  });

  it('keeps no engine idle: turns are kept aside by an admission policy only', () => {
    const { admission } = parsePolicy(spec);
    fc.assert(
      fc.property(happenings, (history) => {
        const world = new World(spec);
        for (const happening of history) {
          // Another policy may have an admission rule.
          if (happening.what === 'policyActivated') continue;
          world.step(happening);
          const { engines, queuedTurns, deferredTurns } = world.fixture.kernel.view();
          if (admission === undefined) expect(deferredTurns).toBe(0);
          const isIdle = engines.some((engine) => !engine.draining && engine.inFlightTurns === 0);
          const bound = engines.reduce((sum, engine) => sum + engine.queuedTurns, 0);
          if (isIdle) expect(queuedTurns - bound).toBe(0);
        }
      }),
      RUNS,
    );
  });

  it('starves nobody: every turn runs once everything else has ended', () => {
    fc.assert(
      fc.property(happenings, (history) => {
        const world = run(new World(spec), history);
        const left = drain(world);
        expect(left).toEqual([]);
      }),
      RUNS,
    );
  });
});

/** Steps of 20 s until all is done, at most: more than the longest patience of any policy (1,800 s). */
const MOST_STEPS = 200;

/** Gives the world an engine and lets time pass; what runs ends, programs without a turn end. Returns who still waits. */
const drain = (world: World): readonly string[] => {
  const only = { which: 0, waitMicros: 0, flag: true } as const;
  world.step({ ...only, what: 'engineJoined' });
  for (let step = 0; step < MOST_STEPS && world.queued.size + world.running.size > 0; step += 1) {
    while (world.running.size > 0) world.step({ ...only, what: 'finished' });
    const waiting = new Set(world.queued.values());
    for (const programId of [...world.programs]) {
      const which = [...world.programs].indexOf(programId);
      if (!waiting.has(programId)) world.step({ ...only, which, what: 'endProgram' });
    }
    world.fixture.wait(seconds(20));
    for (const [key, at] of [...world.timers]) {
      if (at > world.fixture.now || !world.timers.delete(key)) continue;
      world.post({ type: 'timerFired', key });
    }
  }
  return [...world.queued.keys()];
};
