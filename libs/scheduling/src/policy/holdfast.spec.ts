import { describe, expect, it } from '@jest/globals';
import { anEngine, KernelFixture } from '../kernel/kernel.fixture.js';
import { seconds } from '../model/units.js';

const ENGINES = ['engine-a', 'engine-b', 'engine-c', 'engine-d'];

/** Four engines, and programs that all come at once, one turn each. */
const crowd = (programs: number): KernelFixture => {
  const world = new KernelFixture('holdfast');
  for (const engineId of ENGINES) world.join({ engineId });
  for (let index = 0; index < programs; index += 1) {
    world.start(`p${index}`);
    world.run(`p${index}`, { tokens: 800 });
  }
  return world;
};

const enginesOf = (world: KernelFixture, from = 0): string[] =>
  world
    .dispatches()
    .slice(from)
    .map(({ engineId }) => engineId);

const counts = (engines: readonly string[]): Readonly<Record<string, number>> =>
  Object.fromEntries(ENGINES.map((id) => [id, engines.filter((engineId) => engineId === id).length]));

describe('holdfast on several engines', () => {
  it('is no herd: programs that come at once are spread over all of them', () => {
    expect(counts(enginesOf(crowd(12)))).toEqual({ 'engine-a': 3, 'engine-b': 3, 'engine-c': 3, 'engine-d': 3 });
  });

  it('sends a program back to where its context is', () => {
    const world = crowd(8);
    const first = enginesOf(world);
    for (let index = 7; index >= 0; index -= 1) world.run(`p${index}`, { tokens: 900, shared: 850, cached: 848 });
    expect(enginesOf(world, 8).reverse()).toEqual(first);
  });

  it('moves the programs of an engine that drains, each when it returns, and spreads them over the others', () => {
    const world = crowd(12);
    const engines = new Map(enginesOf(world).map((engineId, index) => [`p${index}`, engineId]));
    world.post({ type: 'engineDraining', engineId: 'engine-b' });
    const moving = [...engines].flatMap(([programId, engineId]) => (engineId === 'engine-b' ? [programId] : []));
    for (const programId of moving) world.run(programId, { tokens: 900, shared: 850 });
    expect(moving).toHaveLength(3);
    expect(counts(enginesOf(world, 12))).toEqual({ 'engine-a': 1, 'engine-b': 0, 'engine-c': 1, 'engine-d': 1 });
    const released = world.log.flatMap((command) => (command.type === 'releasePin' ? [command.engineId] : []));
    expect(released).toEqual(['engine-b', 'engine-b', 'engine-b']);
  });

  it('lets the programs of an engine that drains wait for memory elsewhere rather than crowd others out', () => {
    const world = new KernelFixture('holdfast');
    for (const engineId of ['engine-a', 'engine-b']) world.join({ ...anEngine({ engineId }) });
    for (const programId of ['p', 'q']) {
      world.start(programId);
      world.run(programId, { tokens: 12_000 });
      world.tool(programId, 'grep');
    }
    world.wait(seconds(0.1));
    world.post({ type: 'engineDraining', engineId: 'engine-a' });
    world.toolEnded('p');
    world.submit('p', { tokens: 12_100, shared: 12_050 });
    expect(world.kernel.view()).toMatchObject({ deferredTurns: 1 });
    world.post({ type: 'programEnded', programId: 'q', outcome: 'completed' });
    expect(world.dispatches().at(-1)).toMatchObject({ programId: 'p', engineId: 'engine-b' });
  });
});
