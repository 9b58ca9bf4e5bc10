import { describe, expect, it } from '@jest/globals';
import { seconds } from '../model/units.js';
import type { Command } from './command.js';
import { KernelFixture } from './kernel.fixture.js';

describe('a priority', () => {
  const prioritize = (world: KernelFixture, programId: string, priority: number): void => {
    world.post({ type: 'programPrioritized', programId, priority });
  };

  it.each(['vllm-fcfs', 'program-fcfs', 'holdfast:admission=none', 'autellix'])(
    'goes before the order of %s, of turns that wait as well',
    (policy) => {
      const world = new KernelFixture(policy, { dispatchWindow: 1 });
      const turns = ['first', 'second', 'third'].map((program) => {
        world.start(program);
        return world.submit(program);
      });
      prioritize(world, 'third', 2);
      prioritize(world, 'first', -1);
      world.join();
      for (let served = 0; served < 2; served += 1) world.started(world.dispatchedTurns()[served] ?? '');
      expect(world.dispatchedTurns()).toEqual([turns[2], turns[1], turns[0]]);
    },
  );

  it('goes before a pin of another program', () => {
    const world = new KernelFixture('static-ttl:ttl=60s', { dispatchWindow: 1 });
    world.join();
    for (const program of ['pinned', 'other', 'urgent']) world.start(program);
    world.run('pinned');
    const running = world.submit('other');
    const pinned = world.submit('pinned', { shared: 100 });
    const urgent = world.submit('urgent');
    prioritize(world, 'urgent', 1);
    world.started(running);
    world.started(world.dispatchedTurns().at(-1) ?? '');
    expect(world.dispatchedTurns().slice(-2)).toEqual([urgent, pinned]);
  });

  it('ranks by safe integers, and tells an engine that has the turn already', () => {
    const world = new KernelFixture('holdfast:admission=none');
    world.now = (Date.UTC(2036, 0) * 1_000) as typeof world.now;
    world.join();
    for (const program of ['p', 'q']) {
      world.start(program);
      world.submit(program);
    }
    for (const priority of [2, -2]) {
      prioritize(world, 'p', priority);
      const command = world.log.at(-1);
      expect(command?.type).toBe('rerankTurn');
      expect(command?.type === 'rerankTurn' && Number.isSafeInteger(command.rank)).toBe(true);
    }
  });

  it('is told to an engine where the turn is alone once another one comes there', () => {
    const world = new KernelFixture('program-fcfs', { dispatchWindow: 3 });
    world.join();
    for (const program of ['p', 'q', 'r']) world.start(program);
    world.submit('p');
    prioritize(world, 'p', 1);
    prioritize(world, 'p', 2);
    expect(world.log.filter(({ type }) => type === 'rerankTurn')).toEqual([]);
    world.submit('q');
    world.submit('r');
    const told = world.log.filter(({ type }) => type === 'rerankTurn' || type === 'dispatchTurn');
    expect(told).toMatchObject([
      { type: 'dispatchTurn', programId: 'p' },
      { type: 'rerankTurn', programId: 'p' },
      { type: 'dispatchTurn', programId: 'q' },
      { type: 'dispatchTurn', programId: 'r' },
    ]);
  });

  it('of a program that has ended changes nothing', () => {
    const world = new KernelFixture();
    expect(world.post({ type: 'programPrioritized', programId: 'gone', priority: 1 })).toEqual([]);
  });
});

describe('an engine that drains', () => {
  const drain = (world: KernelFixture): readonly Command[] =>
    world.post({ type: 'engineDraining', engineId: 'engine-a' });

  it('gives up the pins of programs that will not return to it', () => {
    const world = new KernelFixture('static-ttl:ttl=60s');
    world.join();
    world.start('p');
    world.run('p');
    world.tool('p', 'bash');
    expect(drain(world)).toContainEqual(expect.objectContaining({ type: 'releasePin', programId: 'p' }));
    expect(world.kernel.program('p')?.pin).toBeNull();
    expect(KernelFixture.verbs(world.tool('p', 'grep', 'call-2'))).toEqual([]);
  });

  it('gives up a pin that rode on a turn when the turn has ended', () => {
    const world = new KernelFixture('static-ttl:ttl=60s');
    world.join();
    world.start('p');
    const turnId = world.submit('p');
    world.started(turnId);
    drain(world);
    const commands = world.finished(turnId, { pinnedFor: seconds(60) });
    expect(KernelFixture.verbs(commands)).toEqual(['releasePin']);
    expect(world.kernel.view().counters).toMatchObject({ pinsSet: 1, pinsReleased: 1 });
  });

  it('has its programs run elsewhere, and the decision says why and what that costs', () => {
    const world = new KernelFixture('holdfast');
    world.join();
    world.start('p');
    world.run('p', { tokens: 1_000 });
    world.join({ engineId: 'engine-b' });
    drain(world);
    world.submit('p', { tokens: 1_200, shared: 1_050 });
    expect(world.decisions().filter(({ kind }) => kind === 'dispatch')).toMatchObject([
      { choice: 'dispatch', inputs: { reloadSeconds: 0 } },
      {
        choice: 'move',
        engineId: 'engine-b',
        reason: 'its own engine drains',
        inputs: { reloadSeconds: expect.closeTo(1.05) },
      },
    ]);
  });

  it('has those who wait for it wait for memory elsewhere, the first ones first', () => {
    const world = new KernelFixture('holdfast', { dispatchWindow: 1 });
    for (const engineId of ['engine-a', 'engine-b']) world.join({ engineId });
    // On engine-b, whose memory it nearly fills.
    for (const [programId, tokens] of Object.entries({
      small: 1_000,
      large: 11_000,
      blocker: 1_000,
      p: 3_000,
      q: 3_000,
    })) {
      world.start(programId);
      world.run(programId, { tokens });
    }
    const engineOf = (programId: string): string | undefined => world.kernel.program(programId)?.engineId ?? undefined;
    expect(['large', 'blocker', 'p', 'q'].map(engineOf)).toEqual(['engine-b', 'engine-a', 'engine-a', 'engine-a']);
    world.submit('blocker', { tokens: 1_100, shared: 1_050 });
    for (const programId of ['q', 'p']) world.submit(programId, { tokens: 3_100, shared: 3_050 });
    expect(world.kernel.view()).toMatchObject({ queuedTurns: 2, deferredTurns: 0 });
    drain(world);
    // One of them fits beside `large`; it is the one that arrived first, whoever asked first.
    expect(world.dispatches().at(-1)).toMatchObject({ programId: 'p', engineId: 'engine-b' });
    expect(world.kernel.view()).toMatchObject({ queuedTurns: 0, deferredTurns: 1 });
  });
});

describe('an engine that no longer drains', () => {
  it('takes the turns that waited', () => {
    const world = new KernelFixture();
    world.join();
    world.start('p');
    world.post({ type: 'engineDraining', engineId: 'engine-a', isDraining: true });
    const turnId = world.submit('p');
    world.wait(seconds(1));
    expect(world.dispatchedTurns()).toEqual([]);
    world.post({ type: 'engineDraining', engineId: 'engine-a', isDraining: false });
    expect(world.dispatchedTurns()).toEqual([turnId]);
  });
});
