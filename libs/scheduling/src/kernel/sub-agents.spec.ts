import { describe, expect, it } from '@jest/globals';
import { micros, seconds } from '../model/units.js';
import { KernelFixture } from './kernel.fixture.js';

const startChild = (world: KernelFixture, programId: string, parentId: string): void => {
  world.wait(micros(1));
  world.post({
    type: 'programStarted',
    programId,
    tenantId: 'tenant',
    programClass: 'class',
    arrivedAt: world.now,
    parentId,
    idleLimit: seconds(600),
    contextTokens: 0,
    turnsFinished: 0,
  });
};

const verbsOf = (world: KernelFixture, key: string): string[] =>
  KernelFixture.verbs(world.post({ type: 'timerFired', key }));

describe('a program that waits for a sub-agent', () => {
  it('is not silent while that lives, and may be silent for its own limit afterwards', () => {
    const world = new KernelFixture();
    world.join();
    world.start('parent');
    world.run('parent');
    startChild(world, 'child', 'parent');
    world.wait(seconds(3_600));
    expect(verbsOf(world, 'idle:parent')).toEqual([]);
    world.post({ type: 'programEnded', programId: 'child', outcome: 'completed' });
    world.wait(seconds(3_599));
    expect(verbsOf(world, 'idle:parent')).toEqual([]);
    world.wait(seconds(1));
    expect(verbsOf(world, 'idle:parent')).toEqual(['endProgram']);
  });

  it('waits no longer than the idle limit of a silent one', () => {
    const world = new KernelFixture();
    world.start('parent');
    startChild(world, 'child', 'parent');
    world.wait(seconds(600));
    expect(verbsOf(world, 'idle:child')).toEqual(['endProgram']);
  });

  it('leaves it to itself when it ends first', () => {
    const world = new KernelFixture('program-fcfs');
    world.join();
    world.start('parent');
    startChild(world, 'child', 'parent');
    world.post({ type: 'programEnded', programId: 'parent', outcome: 'completed' });
    world.run('child');
    world.post({ type: 'programEnded', programId: 'child', outcome: 'completed' });
    expect(world.kernel.view()).toMatchObject({ programs: 0, counters: { turnsFinished: 1 } });
  });
});

describe('a sub-agent', () => {
  it.each(['program-fcfs', 'holdfast:admission=none'])('stands in line with %s where its parent would', (policy) => {
    const world = new KernelFixture(policy, { dispatchWindow: 1 });
    for (const programId of ['parent', 'other', 'blocker']) world.start(programId);
    startChild(world, 'child', 'parent');
    const running = world.submit('blocker');
    world.join();
    const other = world.submit('other');
    const child = world.submit('child');
    world.started(running);
    world.started(child);
    expect(world.dispatchedTurns()).toEqual([running, child, other]);
  });

  it.each(['vllm-fcfs', 'holdfast'])('runs with %s where the prefix lies that it shares with its parent', (policy) => {
    const world = new KernelFixture(policy);
    for (const engineId of ['engine-a', 'engine-b', 'engine-c']) world.join({ engineId });
    world.start('parent');
    world.run('parent', { tokens: 2_000 });
    const engineId = world.kernel.program('parent')?.engineId;
    for (const [programId, shared] of Object.entries({ alike: 1_500, foreign: 0 })) {
      startChild(world, programId, 'parent');
      world.submit(programId, { tokens: 1_600, shared });
    }
    const [alike, foreign] = world.dispatches().slice(1);
    expect(alike).toMatchObject({ programId: 'alike', engineId });
    expect(foreign?.engineId).not.toBe(engineId);
  });

  it('is admitted into the memory that its parent holds meanwhile, once', () => {
    const world = new KernelFixture('holdfast');
    world.join();
    for (const [programId, tokens] of Object.entries({ other: 1_000, parent: 8_000 })) {
      world.start(programId);
      world.run(programId, { tokens });
    }
    world.start('stranger');
    world.submit('stranger', { tokens: 3_000 });
    for (const programId of ['child', 'second']) {
      startChild(world, programId, 'parent');
      world.submit(programId, { tokens: 4_000 });
    }
    expect(world.dispatches().map(({ programId }) => programId)).toEqual(['other', 'parent', 'child']);
    world.post({ type: 'programEnded', programId: 'child', outcome: 'completed' });
    expect(world.dispatches().at(-1)).toMatchObject({ programId: 'second' });
  });
});
