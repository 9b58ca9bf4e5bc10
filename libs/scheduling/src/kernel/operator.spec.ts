import { describe, expect, it } from '@jest/globals';
import { seconds } from '../model/units.js';
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
    world.start('p');
    world.submit('p');
    for (const priority of [2, -2]) {
      prioritize(world, 'p', priority);
      const command = world.log.at(-1);
      expect(command?.type).toBe('rerankTurn');
      expect(command?.type === 'rerankTurn' && Number.isSafeInteger(command.rank)).toBe(true);
    }
  });

  it('of a program that has ended changes nothing', () => {
    const world = new KernelFixture();
    expect(world.post({ type: 'programPrioritized', programId: 'gone', priority: 1 })).toEqual([]);
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
