import { describe, expect, it } from '@jest/globals';
import { millis, seconds } from '../model/units.js';
import { KernelFixture } from './kernel.fixture.js';

describe('a turn', () => {
  it('goes to an engine at once when there is room', () => {
    const world = new KernelFixture();
    world.join();
    world.start('p');
    const turnId = world.submit('p');
    expect(world.dispatches()).toMatchObject([{ turnId, programId: 'p', engineId: 'engine-a', epoch: 'epoch-1' }]);
  });

  it('waits until an engine joins', () => {
    const world = new KernelFixture();
    world.start('p');
    const turnId = world.submit('p');
    expect(world.dispatchedTurns()).toEqual([]);
    world.join();
    expect(world.dispatchedTurns()).toEqual([turnId]);
  });

  it('waits while the engine has a full window of turns without a first token', () => {
    const world = new KernelFixture('vllm-fcfs', { dispatchWindow: 1 });
    world.join();
    for (const program of ['p', 'q']) world.start(program);
    const first = world.submit('p');
    const second = world.submit('q');
    expect(world.dispatchedTurns()).toEqual([first]);
    world.started(first);
    expect(world.dispatchedTurns()).toEqual([first, second]);
  });

  it('is rejected with a delay when the queue is full', () => {
    const world = new KernelFixture('vllm-fcfs', { maxQueuedTurns: 1 });
    for (const program of ['p', 'q']) world.start(program);
    world.submit('p');
    const turnId = world.submit('q');
    expect(world.log.at(-1)).toEqual({ type: 'rejectTurn', turnId, reason: 'QUEUE_FULL', retryAfter: seconds(1) });
    expect(world.kernel.program('q')?.phase).toBe('idle');
  });

  it('of a program that is unknown is rejected rather than left waiting', () => {
    const world = new KernelFixture();
    const turnId = world.submit('nobody');
    expect(world.log).toEqual([{ type: 'rejectTurn', turnId, reason: 'PROGRAM_ENDED' }]);
  });

  it('that is cancelled while it waits is never dispatched', () => {
    const world = new KernelFixture();
    world.start('p');
    const turnId = world.submit('p');
    world.post({ type: 'turnCancelled', turnId });
    world.join();
    expect(world.dispatchedTurns()).toEqual([]);
  });

  it('that is cancelled while it runs is aborted on its engine and makes room', () => {
    const world = new KernelFixture('vllm-fcfs', { dispatchWindow: 1 });
    world.join();
    for (const program of ['p', 'q']) world.start(program);
    const first = world.submit('p');
    const second = world.submit('q');
    const commands = world.post({ type: 'turnCancelled', turnId: first });
    expect(KernelFixture.verbs(commands)).toEqual(['abortTurn', 'dispatchTurn']);
    expect(world.dispatchedTurns()).toEqual([first, second]);
  });
});

describe('order', () => {
  const orderUnder = (policy: string): string[] => {
    const world = new KernelFixture(policy, { dispatchWindow: 1 });
    for (const program of ['old', 'young']) world.start(program);
    const turns = new Map([[world.submit('young'), 'young']]);
    turns.set(world.submit('old'), 'old');
    world.join();
    world.started(world.dispatchedTurns()[0] ?? '');
    return world.dispatchedTurns().map((turnId) => turns.get(turnId) ?? '');
  };

  it('is by turn arrival under vllm-fcfs', () => {
    expect(orderUnder('vllm-fcfs')).toEqual(['young', 'old']);
  });

  it('is by program arrival under program-fcfs', () => {
    expect(orderUnder('program-fcfs')).toEqual(['old', 'young']);
  });

  it('puts programs with a live pin first under continuum', () => {
    const world = new KernelFixture('continuum', { dispatchWindow: 1 });
    world.join();
    for (const program of ['old', 'young', 'busy']) world.start(program);
    world.run('young');
    world.tool('young', 'bash');
    const blocker = world.submit('busy');
    const old = world.submit('old');
    const young = world.submit('young', { shared: 144 });
    world.started(blocker);
    expect(world.dispatchedTurns().slice(-2)).toEqual([blocker, young]);
    world.started(young);
    expect(world.dispatchedTurns().at(-1)).toBe(old);
  });
});

describe('a rank that changes while an engine has the turn', () => {
  /** Under autellix: p ran for 10 s, its next turn waits at the engine, not alone, long enough to move up a queue. */
  const aTurnThatWaitsInside = ({ reranks }: { readonly reranks: boolean }): KernelFixture => {
    const world = new KernelFixture('autellix');
    world.join({ capabilities: { pins: true, softPins: true, ordersByRank: true, reranks } });
    world.start('p');
    const first = world.submit('p', { tokens: 3_000 });
    world.started(first);
    world.wait(seconds(10));
    world.finished(first, { tokens: 3_000 });
    world.submit('p', { tokens: 3_000, shared: 3_000 });
    world.start('another');
    world.submit('another');
    world.wait(seconds(21));
    world.post({ type: 'timerFired', key: 'tick' });
    return world;
  };

  it('is sent after it', () => {
    const world = aTurnThatWaitsInside({ reranks: true });
    const [, dispatch] = world.dispatches();
    const reranks = world.log.filter((command) => command.type === 'rerankTurn');
    expect(reranks).toMatchObject([{ turnId: 'turn-2', programId: 'p', engineId: 'engine-a', epoch: 'epoch-1' }]);
    expect(reranks[0]?.rank).toBeLessThan(dispatch?.hints.rank ?? 0);
    expect(world.decisions().filter(({ lowering }) => lowering !== undefined)).toEqual([]);
  });

  it('stays where the engine takes none, and the decision says so', () => {
    const world = aTurnThatWaitsInside({ reranks: false });
    expect(world.log.filter((command) => command.type === 'rerankTurn')).toEqual([]);
    const dispatches = world.decisions().filter(({ kind }) => kind === 'dispatch');
    const lowering = expect.stringContaining('takes no new ranks');
    expect(dispatches).toMatchObject([{ lowering }, { lowering }, { lowering }]);
  });
});

describe('placement', () => {
  it('sends new programs to the engine with the smallest claims and returns a program to its own', () => {
    const world = new KernelFixture();
    world.join();
    world.join({ engineId: 'engine-b' });
    for (const program of ['p', 'q']) world.start(program);
    world.run('p');
    world.run('q');
    world.run('p', { shared: 144 });
    expect(world.dispatches().map((command) => command.engineId)).toEqual(['engine-a', 'engine-b', 'engine-a']);
  });

  it('moves a waiting turn to an idle engine once it has waited for as long as the reload takes', () => {
    const world = new KernelFixture('vllm-fcfs', { dispatchWindow: 1 });
    world.join();
    world.start('p');
    world.run('p', { tokens: 1_000 });
    world.start('blocker');
    world.submit('blocker');
    const turnId = world.submit('p', { shared: 1_000, tokens: 1_100 });
    world.join({ engineId: 'engine-b' });
    expect(world.dispatchedTurns()).not.toContain(turnId);
    world.wait(seconds(1));
    world.post({ type: 'timerFired', key: 'move' });
    expect(world.dispatches().at(-1)).toMatchObject({ turnId, engineId: 'engine-b' });
    expect(world.kernel.view().counters.turnsMoved).toBe(1);
  });
});

describe('the loss of an engine', () => {
  it('puts turns without output back and runs them elsewhere', () => {
    const world = new KernelFixture();
    world.join();
    world.start('p');
    const turnId = world.submit('p');
    const commands = world.post({ type: 'engineLost', engineId: 'engine-a', reason: 'ENGINE_UNREACHABLE' });
    expect(KernelFixture.verbs(commands)).toEqual(['requeuedTurn']);
    world.join({ engineId: 'engine-b' });
    expect(world.dispatches().at(-1)).toMatchObject({ turnId, engineId: 'engine-b' });
  });

  it('is assumed when it returns with another epoch: its pins are lost', () => {
    const world = new KernelFixture('static-ttl:ttl=60s');
    world.join();
    world.start('p');
    world.run('p');
    expect(world.kernel.program('p')?.pin).not.toBeNull();
    world.join({ epoch: 'epoch-2' });
    expect(world.kernel.program('p')).toMatchObject({ pin: null, engineId: null });
    expect(world.log).toContainEqual(expect.objectContaining({ type: 'resolveDecision', outcome: 'lost' }));
  });

  it('fails a turn that had delivered output', () => {
    const world = new KernelFixture();
    world.join();
    world.start('p');
    const turnId = world.submit('p');
    world.started(turnId);
    world.post({ type: 'engineLost', engineId: 'engine-a', reason: 'ENGINE_UNREACHABLE' });
    world.post({ type: 'turnFailed', turnId, reason: 'ENGINE_UNREACHABLE', mayRunElsewhere: false });
    expect(world.kernel.program('p')?.phase).toBe('idle');
    expect(world.kernel.view().counters.turnsFailed).toBe(1);
  });

  it('leaves a draining engine its running turns and sends it no new ones', () => {
    const world = new KernelFixture();
    world.join();
    world.start('p');
    const turnId = world.submit('p');
    world.post({ type: 'engineDraining', engineId: 'engine-a' });
    world.start('q');
    world.submit('q');
    expect(world.dispatchedTurns()).toEqual([turnId]);
    world.started(turnId);
    world.finished(turnId);
    expect(world.kernel.view().engines[0]).toMatchObject({ draining: true, inFlightTurns: 0 });
  });
});

describe('a program', () => {
  it('that is silent for its idle limit is ended, and not before', () => {
    const world = new KernelFixture();
    world.start('p');
    world.wait(seconds(1_800));
    world.tool('p', 'bash');
    world.wait(seconds(1_800));
    expect(KernelFixture.verbs(world.post({ type: 'timerFired', key: 'idle:p' }))).toEqual([]);
    world.wait(seconds(1_800));
    expect(world.post({ type: 'timerFired', key: 'idle:p' })).toEqual([
      { type: 'endProgram', programId: 'p', outcome: 'timedOut' },
    ]);
  });

  it('releases its pin and its running turn when it ends', () => {
    const world = new KernelFixture('static-ttl:ttl=60s');
    world.join();
    world.start('p');
    world.run('p');
    world.submit('p', { shared: 144 });
    const commands = world.post({ type: 'programEnded', programId: 'p', outcome: 'failed' });
    expect(KernelFixture.verbs(commands)).toEqual(['abortTurn', 'releasePin']);
    expect(world.kernel.view()).toMatchObject({ programs: 0, turns: 0, engines: [{ homeTokens: 0 }] });
  });
});

describe('a lease', () => {
  it('that was lost silences the kernel', () => {
    const world = new KernelFixture();
    world.post({ type: 'leaseLost', fencingToken: 7 });
    expect(world.start('p')).toEqual([]);
  });

  it('of somebody else changes nothing', () => {
    const world = new KernelFixture();
    world.post({ type: 'leaseLost', fencingToken: 6 });
    expect(world.start('p')).not.toEqual([]);
  });
});

describe('time', () => {
  it('never goes back: an earlier now counts as the last one', () => {
    const world = new KernelFixture();
    world.start('p');
    const before = world.kernel.view().now;
    world.kernel.handle({ type: 'timerFired', key: 'move' }, (before - 1_000) as typeof before);
    expect(world.kernel.view().now).toBe(before);
    world.wait(millis(1));
    world.kernel.handle({ type: 'timerFired', key: 'move' }, world.now);
    expect(world.kernel.view().now).toBe(world.now);
  });
});
