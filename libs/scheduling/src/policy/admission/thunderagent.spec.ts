import { describe, expect, it } from '@jest/globals';
import { PoolFixture } from './admission.fixture.js';
import { thunderagentAdmission, type ThunderagentState } from './thunderagent.js';

const INTENDED = { isLiteral: false, hasDecay: false };
const fixtureOf = (capacity: number, parameters = INTENDED): PoolFixture<ThunderagentState> =>
  new PoolFixture(thunderagentAdmission(parameters), capacity);

const statuses = ({ state }: PoolFixture<ThunderagentState>): Readonly<Record<string, string>> =>
  Object.fromEntries(state.programs);

/** Programs a, b, c with contexts of 300, 500 and 700 tokens; together with 100 each they exceed 1,500 by 300. */
const overfull = (parameters = INTENDED): PoolFixture<ThunderagentState> => {
  const fixture = fixtureOf(1_500, parameters);
  for (const id of ['a', 'b', 'c']) fixture.submit(id, 10);
  return fixture.finish('a', 300).finish('b', 500).finish('c', 700);
};

describe('a new program', () => {
  it('starts while its prompt and 100 tokens fit, by hand', () => {
    const fixture = fixtureOf(1_000);
    // 400 + 100 leave 500, which 401 + 100 exceed by one.
    expect(fixture.submit('a', 400)).toBe(true);
    expect(fixture.submit('b', 401)).toBe(false);
  });

  it('waits behind others that wait, even if it fits', () => {
    const fixture = fixtureOf(1_000);
    fixture.submit('a', 400);
    fixture.submit('b', 401);
    expect(fixture.submit('c', 10)).toBe(false);
    // 500 tokens are left: c (110) first, being smaller, then b (501) does not fit beside it.
    expect(fixture.wait(5).release()).toEqual(['c']);
    expect(fixture.end('a').wait(5).release()).toEqual(['b']);
  });

  it('starts on an engine that does not tell its size', () => {
    expect(fixtureOf(0).submit('a', 1_000_000)).toBe(true);
  });
});

describe('pausing', () => {
  it('takes programs whose tool runs, smallest first, until the rest fits', () => {
    const fixture = overfull().wait(6);
    // The check that was due comes with the next turn. Excess 300: a (400) covers it.
    expect(fixture.submit('c', 700)).toBe(true);
    expect(statuses(fixture)).toEqual({ a: 'paused', b: 'active', c: 'active' });
    expect(fixture.submit('a', 300)).toBe(false);
  });

  it('marks running programs, smallest first, until their contexts cover the excess', () => {
    const fixture = fixtureOf(1_500);
    for (const id of ['a', 'b', 'c']) fixture.submit(id, 10);
    fixture.finish('a', 300).finish('b', 500).finish('c', 700);
    for (const [id, tokens] of [['a', 300], ['b', 500], ['c', 700]] as const) fixture.submit(id, tokens); // prettier-ignore
    fixture.submit('d', 1);
    fixture.wait(6).release();
    expect(statuses(fixture)).toEqual({ a: 'marked', b: 'active', c: 'active', d: 'paused' });
    fixture.finish('a', 310);
    expect(statuses(fixture)).toMatchObject({ a: 'paused' });
    expect(fixture.submit('a', 310)).toBe(false);
  });

  it('to the letter of the code marks every running program at once', () => {
    const fixture = fixtureOf(1_500, { isLiteral: true, hasDecay: false });
    for (const id of ['a', 'b', 'c']) fixture.submit(id, 10);
    fixture.finish('a', 300).finish('b', 500).finish('c', 700);
    for (const [id, tokens] of [['a', 300], ['b', 500], ['c', 700]] as const) fixture.submit(id, tokens); // prettier-ignore
    fixture.submit('d', 1);
    fixture.wait(6).release();
    expect(statuses(fixture)).toEqual({ a: 'marked', b: 'marked', c: 'marked', d: 'paused' });
  });

  it('counts with decay a context whose tool runs less by the second', () => {
    const fixture = overfull({ isLiteral: false, hasDecay: true }).wait(6);
    // 300/64 + 500/64 + 700 + 300 are below 1,500.
    expect(fixture.submit('c', 700)).toBe(true);
    expect(statuses(fixture)).toEqual({ a: 'active', b: 'active', c: 'active' });
  });

  it('pauses a marked program whose turn was cancelled, which no fact tells', () => {
    const fixture = fixtureOf(1_500);
    for (const id of ['a', 'b']) fixture.submit(id, 10);
    fixture.finish('a', 700).finish('b', 800);
    fixture.submit('a', 700);
    fixture.submit('b', 800);
    fixture.submit('c', 1);
    fixture.wait(6).release();
    expect(statuses(fixture)).toMatchObject({ a: 'marked' });
    fixture.cancel('a');
    expect(fixture.submit('a', 700)).toBe(false);
  });
});

describe('resuming', () => {
  /** Nobody is active; waiting are new (50), returning (400) and one whose tool runs (10). */
  const paused = (capacity: number): PoolFixture<ThunderagentState> => {
    const fixture = fixtureOf(10_000);
    fixture.submit('returning', 10);
    fixture.submit('acting', 10);
    fixture.finish('returning', 400).finish('acting', 10);
    for (const id of ['returning', 'acting']) fixture.state.programs.set(id, 'paused');
    fixture.submit('returning', 400);
    fixture.submit('new', 50);
    fixture.engines = [PoolFixture.engine(capacity)];
    return fixture;
  };

  it('takes returning turns, then new programs, then those whose tool runs, while they fit', () => {
    // 500, 150 and 110 tokens with their buffers.
    const roomFor = (capacity: number): Readonly<Record<string, string>> => {
      const fixture = paused(capacity).wait(6);
      fixture.release();
      return statuses(fixture);
    };
    expect(roomFor(759)).toEqual({ returning: 'active', new: 'active', acting: 'paused' });
    expect(roomFor(760)).toEqual({ returning: 'active', new: 'active', acting: 'active' });
    expect(roomFor(649)).toEqual({ returning: 'active', new: 'paused', acting: 'paused' });
  });

  it('happens at most every 5 s', () => {
    const fixture = paused(10_000);
    expect(fixture.wait(4).release()).toEqual([]);
    expect(fixture.wait(1).release()).toEqual(['returning', 'new']);
  });

  it('takes one that is larger than the engine when nobody is active', () => {
    const fixture = fixtureOf(100);
    expect(fixture.submit('a', 5_000)).toBe(false);
    expect(fixture.wait(6).release()).toEqual(['a']);
  });

  it('to the letter of the code takes it after 1,800 s', () => {
    const fixture = fixtureOf(100, { isLiteral: true, hasDecay: false });
    fixture.submit('a', 5_000);
    expect(fixture.wait(1_799).release()).toEqual([]);
    expect(fixture.wait(5).release()).toEqual(['a']);
  });
});
