import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Instant } from '../model/units.js';
import { parsePolicy } from '../policy/registry.js';
import type { Command } from './command.js';
import { createKernel } from './kernel.js';
import { happenings, policies, World } from './world.fixture.js';

/** Runs a history and looks at the world after each step. */
const holdsThroughout = (check: (world: World, commands: readonly Command[]) => void): void => {
  fc.assert(
    fc.property(policies, happenings, (policy, history) => {
      const world = new World(policy);
      for (const happening of history) check(world, world.step(happening));
    }),
    { numRuns: 100 },
  );
};

describe('the kernel, whatever happens', () => {
  it('I1: loses and invents no program and no turn', () => {
    holdsThroughout((world) => {
      const view = world.fixture.kernel.view();
      expect(view.programs).toBe(world.programs.size);
      expect(view.queuedTurns + view.deferredTurns).toBe(world.queued.size);
      expect(view.turns).toBe(world.queued.size + world.running.size);
      const { counters } = view;
      const ended = counters.turnsFinished + counters.turnsFailed + counters.turnsCancelled + counters.turnsRejected;
      expect(ended + view.turns).toBe(counters.turnsSubmitted);
      expect(ended).toBe(world.ended.size);
    });
  });

  it('I2: makes legal transitions only: a turn is dispatched to a live engine, and only while it waits', () => {
    holdsThroughout((world) => expect(world.violations).toEqual([]));
  });

  it('I3: takes a clock that jumps back as a clock that stands still', () => {
    fc.assert(
      fc.property(policies, happenings, fc.nat(10_000_000), (policy, history, jump) => {
        const world = new World(policy);
        let last = 0;
        for (const happening of history) {
          world.step(happening);
          const now = world.fixture.kernel.view().now;
          expect(now).toBeGreaterThanOrEqual(last);
          last = now;
          world.fixture.kernel.handle({ type: 'timerFired', key: 'none' }, (now - jump) as Instant);
          expect(world.fixture.kernel.view().now).toBe(last);
        }
      }),
    );
  });

  it('I5: dispatches a turn after it was submitted and finishes it after it was dispatched', () => {
    holdsThroughout((world, commands) => {
      for (const command of commands) {
        if (command.type !== 'recordDecision' || command.decision.kind !== 'dispatch') continue;
        expect(command.decision.inputs['waitedSeconds']).toBeGreaterThanOrEqual(0);
      }
      for (const turnId of world.running.keys()) expect(world.ended.has(turnId)).toBe(false);
    });
  });

  it('I6: decides the same, to the byte, for the same log', () => {
    fc.assert(
      fc.property(policies, happenings, (policy, history) => {
        const world = new World(policy);
        for (const happening of history) world.step(happening);
        const again = createKernel({
          profile: parsePolicy(policy),
          fencingToken: 7,
          dispatchWindow: 2,
          maxQueuedTurns: 5,
        });
        const log = JSON.parse(JSON.stringify(world.recorded)) as typeof world.recorded;
        const commands = log.flatMap(({ event, now }) => [...again.handle(event, now)]);
        expect(JSON.stringify(commands)).toBe(JSON.stringify(world.fixture.log));
      }),
      { numRuns: 60 },
    );
  });

  it('I7: tells the age of what it knows of an engine, and keeps no news of an older epoch', () => {
    holdsThroughout((world) => {
      for (const engine of world.fixture.kernel.view().engines) {
        expect(engine.load === null).toBe(engine.observedAt === null);
        if (engine.observedAt !== null) expect(engine.observedAt).toBeLessThanOrEqual(world.fixture.now);
      }
    });
  });

  it('I8: leaves no engine idle while a turn that it may run waits', () => {
    holdsThroughout((world) => {
      const view = world.fixture.kernel.view();
      const bound = view.engines.reduce((sum, engine) => sum + engine.queuedTurns, 0);
      for (const engine of view.engines) {
        const hasRoom = !engine.draining && engine.unstartedTurns < 2 && engine.inFlightTurns < 3;
        if (hasRoom)
          expect({ own: engine.queuedTurns, shared: view.queuedTurns - bound }).toEqual({ own: 0, shared: 0 });
      }
    });
  });

  it('I9: decides from the past alone: what comes later changes no earlier decision', () => {
    fc.assert(
      fc.property(policies, happenings, happenings, happenings, (policy, past, future, otherFuture) => {
        const run = (history: typeof past): string => {
          const world = new World(policy);
          for (const happening of past) world.step(happening);
          const decided = JSON.stringify(world.fixture.log);
          for (const happening of history) world.step(happening);
          expect(JSON.stringify(world.fixture.log.slice(0, JSON.parse(decided).length))).toBe(decided);
          return decided;
        };
        expect(run(future)).toBe(run(otherFuture));
      }),
      { numRuns: 50 },
    );
  });

  it('I10: gives every pin one owner, an expiry in the future and a recorded reason', () => {
    fc.assert(
      fc.property(policies, happenings, (policy, history) => {
        const world = new World(policy);
        const reasons = new Map<number, string>();
        for (const happening of history) {
          for (const command of world.step(happening)) {
            if (command.type === 'recordDecision') reasons.set(command.decision.decisionId, command.decision.reason);
            if (command.type === 'resolveDecision') expect(reasons.get(command.decisionId)).toMatch(/\w/);
            if (command.type === 'setPin' || command.type === 'renewPin') {
              expect(world.programs.has(command.programId)).toBe(true);
              expect(command.terms.ttl).toBeGreaterThan(0);
            }
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('I11: takes no notice of a lease token that is not its own, and does nothing after losing its own', () => {
    fc.assert(
      fc.property(policies, happenings, happenings, (policy, past, future) => {
        const world = new World(policy);
        for (const happening of past) world.step(happening);
        world.post({ type: 'timerFired', key: 'none' });
        const before = JSON.stringify(world.fixture.kernel.view());
        expect(world.fixture.post({ type: 'leaseLost', fencingToken: 6 })).toEqual([]);
        expect(JSON.stringify(world.fixture.kernel.view())).toBe(before);
        world.fixture.post({ type: 'leaseLost', fencingToken: 7 });
        for (const happening of future) expect(world.step(happening)).toEqual([]);
      }),
    );
  });
});
