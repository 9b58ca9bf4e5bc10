import { describe, expect, it } from '@jest/globals';
import { seconds, toSeconds } from '../model/units.js';
import type { PolicyFact } from '../policy/facts.js';
import { parsePolicy } from '../policy/registry.js';
import { KernelFixture } from './kernel.fixture.js';

/** What the policies were told of tool calls: how, the tool, up to when, and up to when before. */
const told = (facts: readonly PolicyFact[]): unknown[] =>
  facts.flatMap((fact) => {
    if (fact.type === 'toolCallRuns') {
      return [['runs', fact.tool, toSeconds(fact.elapsed), toSeconds(fact.told)]];
    }
    if (fact.type !== 'toolCallEnded') return [];
    return [['ended', fact.tool, toSeconds(fact.duration), fact.told === undefined ? 0 : toSeconds(fact.told)]];
  });

const aWatchedProgram = (): { readonly world: KernelFixture; readonly facts: PolicyFact[] } => {
  const facts: PolicyFact[] = [];
  const profile = parsePolicy('holdfast');
  const world = new KernelFixture({
    ...profile,
    retention: { ...profile.retention, observe: (_state, fact) => facts.push({ ...fact }) },
  });
  world.join();
  world.start('p');
  world.run('p');
  return { world, facts };
};

const tickFor = (world: KernelFixture, count: number): void => {
  for (let tick = 0; tick < count; tick += 1) world.wait(seconds(1)).post({ type: 'timerFired', key: 'tick' });
};

describe('a tool call that runs long', () => {
  it('is told to the policies while it runs, at distances that double, and what was told is told when it ends', () => {
    const { world, facts } = aWatchedProgram();
    world.tool('p', 'bash');
    tickFor(world, 10);
    world.toolEnded('p');
    expect(told(facts)).toEqual([
      ['runs', 'bash', 1, 0],
      ['runs', 'bash', 2, 1],
      ['runs', 'bash', 4, 2],
      ['runs', 'bash', 8, 4],
      ['ended', 'bash', 10, 8],
    ]);
  });

  it('may be a gap that nobody named a tool for', () => {
    const { world, facts } = aWatchedProgram();
    tickFor(world, 3);
    world.submit('p');
    expect(told(facts).map((fact) => (fact as unknown[]).slice(0, 2))).toEqual([
      ['runs', ''],
      ['runs', ''],
      ['ended', ''],
    ]);
  });

  it('is not told once its program has a turn again, or has ended', () => {
    const { world, facts } = aWatchedProgram();
    world.submit('p');
    tickFor(world, 4);
    expect(told(facts).filter((fact) => (fact as unknown[])[0] === 'runs')).toEqual([]);
    const ended = aWatchedProgram();
    ended.world.post({ type: 'programEnded', programId: 'p', outcome: 'completed' });
    tickFor(ended.world, 4);
    expect(told(ended.facts)).toEqual([]);
  });
});
