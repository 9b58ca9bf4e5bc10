import { describe, expect, it } from '@jest/globals';
import { anEngine } from '../../kernel/kernel.fixture.js';
import { someEngine } from '../policy.fixture.js';
import { PoolFixture } from './admission.fixture.js';
import { moriAdmission, type MoriFit, type MoriState } from './mori.js';

/** One engine with so many tokens on the GPU and on the host, in blocks of one. */
const fixtureOf = (gpu: number, host: number, fit: MoriFit = 'any'): PoolFixture<MoriState> => {
  const fixture = new PoolFixture(moriAdmission(fit), gpu);
  fixture.engines = [someEngine({ description: anEngine({ totalBlocks: gpu, hostBlocks: host, blockTokens: 1 }) })];
  return fixture;
};

const tiers = ({ state }: PoolFixture<MoriState>): Readonly<Record<string, string>> => Object.fromEntries(state.tiers);

/**
 * The example: three programs whose first turns take 1 s each. Their contexts are 300, 500 and 700 tokens (400, 600 and 800
 * with what each is charged on top), together 1,800 on a GPU of 1,500. The tool of a has run for 3 s then, that of b
 * for 2, that of c for 1: idleness 3/4, 2/3, 1/2.
 */
const overfull = (host: number): PoolFixture<MoriState> => {
  const fixture = fixtureOf(1_500, host);
  for (const id of ['a', 'b', 'c']) expect(fixture.submit(id, 10)).toBe(true);
  const run = (id: string, tokens: number): void => {
    const program = fixture.programs.get(id)!;
    // Each is dispatched a second before it ends.
    fixture.programs.set(id, { ...program, turn: { ...program.turn!, dispatchedAt: fixture.now } });
    fixture.wait(1).finish(id, tokens);
  };
  run('a', 300);
  run('b', 500);
  run('c', 700);
  return fixture.wait(1);
};

describe('a GPU that is charged for more than it has', () => {
  it('is left by the idlest program, for the host if its context fits there', () => {
    // At the check the idlest is a, and its 400 tokens cover the excess of 300.
    const fixture = overfull(400).wait(1);
    expect(fixture.submit('b', 500)).toBe(true);
    expect(tiers(fixture)).toEqual({ a: 'host', b: 'gpu', c: 'gpu' });
  });

  it('is left for nowhere if the host has no room', () => {
    const fixture = overfull(399).wait(1);
    fixture.submit('b', 500);
    expect(tiers(fixture)).toEqual({ a: 'waiting', b: 'gpu', c: 'gpu' });
  });

  it('is left by programs whose tool runs before those with a turn, which end it first', () => {
    const fixture = overfull(2_000);
    // The two idlest have a turn: c's tool runs, and its 800 tokens cover the excess.
    fixture.submit('a', 300);
    fixture.submit('b', 500);
    fixture.wait(1).submit('new', 10);
    expect(tiers(fixture)).toEqual({ a: 'gpu', b: 'gpu', c: 'host', new: 'gpu' });
    // All three have turns: the idlest is marked, and leaves when its turn has ended.
    const busy = overfull(2_000);
    for (const [id, tokens] of [['a', 300], ['b', 500], ['c', 700]] as const) busy.submit(id, tokens); // prettier-ignore
    busy.wait(1).submit('new', 10);
    expect(tiers(busy)).toMatchObject({ a: 'leaving', b: 'gpu', c: 'gpu' });
    busy.finish('a', 310);
    busy.submit('a', 310);
    expect(tiers(busy)).toMatchObject({ a: 'host' });
  });
});

describe('room on a GPU', () => {
  /** Nobody is on the GPU; kept aside are two on the host, two that wait and return, and one that is new. */
  const aside = (gpu: number, fit: MoriFit = 'any'): PoolFixture<MoriState> => {
    const fixture = fixtureOf(10_000, 10_000, fit);
    const contexts = { busyHost: 400, idleHost: 100, large: 500, small: 200 };
    for (const id of Object.keys(contexts)) fixture.submit(id, 10);
    for (const [id, tokens] of Object.entries(contexts)) {
      fixture.finish(id, tokens);
      fixture.state.tiers.set(id, id.endsWith('Host') ? 'host' : 'waiting');
    }
    fixture.state.idleness.set('busyHost', [{ reasoning: 9e6, acting: 1e6 }]);
    fixture.state.idleness.set('idleHost', [{ reasoning: 1e6, acting: 9e6 }]);
    // Something is on the GPU, and nothing comes between two checks while somebody is kept aside.
    fixture.engines = [someEngine({ description: anEngine({ totalBlocks: 1, hostBlocks: 10_000, blockTokens: 1 }) })];
    fixture.submit('filler', 1);
    for (const [id, tokens] of Object.entries(contexts)) expect(fixture.submit(id, tokens)).toBe(false);
    expect(fixture.submit('new', 20)).toBe(false);
    fixture.engines = [someEngine({ description: anEngine({ totalBlocks: gpu, hostBlocks: 10_000, blockTokens: 1 }) })];
    return fixture;
  };

  it('goes to programs on the host, the least idle first, then to the smallest that returns, then to new ones', () => {
    // The filler is charged 101; then 500 and 200 on the host, 300 and 600 that return, 120 for the new one.
    const promoted = (gpu: number): readonly string[] => aside(gpu).wait(6).release();
    expect(promoted(1_821)).toEqual(['busyHost', 'idleHost', 'small', 'large', 'new']);
    expect(promoted(1_820)).toEqual(['busyHost', 'idleHost', 'small', 'large']);
    expect(promoted(920)).toEqual(['busyHost', 'idleHost']);
    expect(promoted(200)).toEqual([]);
  });

  it('goes to whoever fits; strictly in order, to those before the first that does not', () => {
    // 299 are left: too little for busyHost's 500.
    expect(aside(400).wait(6).release()).toEqual(['idleHost']);
    expect(aside(400, 'first').wait(6).release()).toEqual([]);
  });

  it('is looked at every 5 s', () => {
    const fixture = aside(5_000);
    expect(fixture.wait(4).release()).toEqual([]);
    expect(fixture.wait(1).release()).toHaveLength(5);
  });

  it('is used at once while nobody is kept aside', () => {
    const fixture = fixtureOf(500, 0);
    expect(fixture.submit('a', 300)).toBe(true);
    expect(fixture.submit('b', 300)).toBe(false);
    expect(fixture.submit('c', 0)).toBe(false);
  });

  it('is given to a program larger than the GPU when nobody else is there', () => {
    expect(fixtureOf(100, 0).submit('a', 5_000)).toBe(true);
  });
});
