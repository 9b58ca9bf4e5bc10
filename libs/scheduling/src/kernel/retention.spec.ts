import { describe, expect, it } from '@jest/globals';
import type { Command } from './command.js';
import { after, seconds } from '../model/units.js';
import { KernelFixture } from './kernel.fixture.js';

const aProgramThatRan = (policy: string): KernelFixture => {
  const world = new KernelFixture(policy);
  world.join();
  world.start('p');
  world.run('p');
  return world;
};

const pinCommands = (commands: readonly Command[]): Command[] =>
  commands.filter(({ type }) => type === 'setPin' || type === 'renewPin' || type === 'releasePin');

const pinChanged = (
  world: KernelFixture,
  change: 'set' | 'expired' | 'revoked' | 'hit' | 'lost',
  epoch = 'epoch-1',
): readonly Command[] =>
  world.post({
    type: 'pinChanged',
    engineId: 'engine-a',
    epoch,
    programId: 'p',
    change,
    pinnedTokens: 144,
    expiresAt: after(world.now, seconds(60)),
  });

describe('a pin', () => {
  it('rides on the request, never on a last turn', () => {
    const world = new KernelFixture('static-ttl:ttl=60s');
    world.join();
    world.start('p');
    world.submit('p');
    expect(world.dispatches()[0]?.hints.pin).toMatchObject({ ttl: seconds(60), soft: false });
    world.start('q');
    world.submit('q', { isLast: true });
    expect(world.dispatches()[1]?.hints).not.toHaveProperty('pin');
  });

  it('is renewed when the tool is known', () => {
    const world = aProgramThatRan('static-ttl:ttl=60s');
    world.wait(seconds(1));
    expect(pinCommands(world.tool('p', 'bash'))).toMatchObject([{ type: 'renewPin', terms: { ttl: seconds(60) } }]);
  });

  it('is set anew when it had run out before the tool was known', () => {
    const world = aProgramThatRan('static-ttl:ttl=60s');
    world.wait(seconds(61));
    expect(pinCommands(world.tool('p', 'bash'))).toMatchObject([{ type: 'setPin' }]);
    expect(world.kernel.view().counters).toMatchObject({ pinsSet: 1, pinsExpired: 1 });
    pinChanged(world, 'set');
    expect(world.kernel.view().counters.pinsSet).toBe(2);
  });

  it.each(['revoked', 'expired'] as const)(
    'that was %s at once is gone, although the engine says so before it says that the turn finished',
    (change) => {
      const world = aProgramThatRan('static-ttl:ttl=60s');
      world.tool('p', 'bash');
      world.toolEnded('p');
      const turnId = world.submit('p');
      world.started(turnId);
      pinChanged(world, 'set');
      pinChanged(world, change);
      world.finished(turnId, { pinnedFor: seconds(60) });
      expect(world.kernel.program('p')?.pin).toBeNull();
      const { pinsSet, pinsRevoked, pinsExpired } = world.kernel.view().counters;
      expect({ pinsSet, gone: pinsRevoked + pinsExpired }).toEqual({ pinsSet: 2, gone: 2 });
      expect(pinCommands(world.tool('p', 'bash', 'call-2'))).toMatchObject([{ type: 'setPin' }]);
    },
  );

  it('of the turn before may end while a turn runs, whose own pin is held then', () => {
    const world = aProgramThatRan('static-ttl:ttl=60s');
    const turnId = world.submit('p');
    world.started(turnId);
    pinChanged(world, 'revoked');
    world.finished(turnId, { pinnedFor: seconds(60) });
    expect(world.kernel.program('p')?.pin).not.toBeNull();
  });

  it('is not renewed while its program waits with time enough left, and is before it runs out', () => {
    const world = aProgramThatRan('static-ttl:ttl=60s');
    for (const other of ['q', 'r']) {
      world.start(other);
      world.submit(other);
    }
    world.wait(seconds(1));
    world.submit('p', { shared: 144 });
    expect(pinCommands(world.log)).toEqual([]);
    world.wait(seconds(45));
    expect(pinCommands(world.post({ type: 'timerFired', key: 'hold:p' }))).toMatchObject([{ type: 'renewPin' }]);
  });

  it('counts as hit when the next turn takes it over', () => {
    const world = aProgramThatRan('static-ttl:ttl=60s');
    world.run('p', { tokens: 200, shared: 150, cached: 144 });
    expect(world.kernel.view().counters).toMatchObject({ pinsSet: 2, pinsHit: 1 });
    expect(world.log).toContainEqual(expect.objectContaining({ type: 'resolveDecision', outcome: 'hit' }));
  });

  it.each(['expired', 'revoked'] as const)('that was %s is forgotten, and its decision knows', (change) => {
    const world = aProgramThatRan('static-ttl:ttl=60s');
    pinChanged(world, change);
    expect(world.kernel.program('p')?.pin).toBeNull();
    expect(world.log.at(-1)).toMatchObject({ type: 'resolveDecision', outcome: change });
  });

  it('is not touched by news of an older epoch', () => {
    const world = aProgramThatRan('static-ttl:ttl=60s');
    expect(pinChanged(world, 'expired', 'epoch-0')).toEqual([]);
    expect(world.kernel.program('p')?.pin).not.toBeNull();
  });

  it('of a program that has ended is given up', () => {
    const world = new KernelFixture('static-ttl:ttl=60s');
    world.join();
    expect(pinChanged(world, 'set')).toMatchObject([{ type: 'releasePin', programId: 'p' }]);
  });

  it('stays as long as the longest of several tools that run together', () => {
    const world = aProgramThatRan('static-ttl:ttl=60s');
    world.tool('p', 'slow', 'call-1');
    expect(pinCommands(world.tool('p', 'fast', 'call-2'))).toEqual([]);
  });
});

describe('an engine without pins', () => {
  it('gets no pin hint, and the decision says what was done instead', () => {
    const world = new KernelFixture('static-ttl:ttl=60s');
    world.join({ capabilities: { pins: false, softPins: false, ordersByRank: false, reranks: false } });
    world.start('p');
    world.run('p');
    world.tool('p', 'bash');
    expect(world.dispatches()[0]?.hints).not.toHaveProperty('pin');
    expect(pinCommands(world.log)).toEqual([]);
    expect(world.decisions().filter(({ kind }) => kind === 'retention')).toMatchObject([
      { choice: 'no-pin', lowering: expect.stringContaining('holds no pins') },
      { choice: 'no-pin', lowering: expect.stringContaining('holds no pins') },
    ]);
  });
});

describe('continuum', () => {
  it('releases the pin of a tool whose duration is not worth its memory', () => {
    const world = new KernelFixture('continuum:coldSamples=3');
    world.join();
    world.start('p');
    for (let index = 0; index < 5; index += 1) {
      world.run('p');
      world.tool('p', 'pytest');
      world.wait(seconds(30));
      world.toolEnded('p');
    }
    world.run('p');
    const commands = world.tool('p', 'pytest');
    expect(pinCommands(commands)).toMatchObject([{ type: 'releasePin' }]);
    expect(world.decisions().at(-1)).toMatchObject({
      policy: 'retention.continuum',
      choice: 'no-pin',
      inputs: { tool: 'pytest', samples: 5, distribution: 'tool', ttlSeconds: 0 },
    });
  });

  it('keeps a context over a tool that is known to be short', () => {
    const world = new KernelFixture('continuum:coldSamples=3');
    world.join();
    world.start('p');
    for (let index = 0; index < 5; index += 1) {
      world.run('p', { tokens: 5_000 });
      world.tool('p', 'grep');
      world.wait(seconds(0.2));
      world.toolEnded('p');
    }
    world.run('p', { tokens: 5_000 });
    expect(pinCommands(world.tool('p', 'grep'))).toMatchObject([{ type: 'renewPin', terms: { ttl: seconds(0.2) } }]);
  });
});
