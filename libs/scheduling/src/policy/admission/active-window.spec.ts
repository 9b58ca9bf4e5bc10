import { describe, expect, it } from '@jest/globals';
import { activeWindowAdmission } from './active-window.js';
import { PoolFixture } from './admission.fixture.js';

const fixtureOf = (window: number): PoolFixture<null> => new PoolFixture(activeWindowAdmission(window), 1_000);

describe('a window of active turns', () => {
  it('lets so many turns compete and keeps the others outside, first come first served', () => {
    const fixture = fixtureOf(2);
    expect(['a', 'b', 'c', 'd'].map((id) => fixture.submit(id, 10))).toEqual([true, true, false, false]);
    expect(fixture.release()).toEqual([]);
    expect(fixture.finish('a', 10).release()).toEqual(['c']);
    expect(fixture.finish('b', 10).finish('c', 10).release()).toEqual(['d']);
  });

  it('lets nobody pass those who wait', () => {
    const fixture = fixtureOf(1);
    fixture.submit('a', 10);
    fixture.submit('b', 10);
    fixture.finish('a', 10);
    expect(fixture.submit('a', 10)).toBe(false);
    expect(fixture.release()).toEqual(['b']);
  });

  it('counts one window for each engine that takes work, and one while there is none', () => {
    const fixture = fixtureOf(1);
    fixture.engines = [
      PoolFixture.engine(10, 'a'),
      PoolFixture.engine(10, 'b'),
      { ...PoolFixture.engine(10, 'c'), draining: true },
    ];
    expect(['a', 'b', 'c'].map((id) => fixture.submit(id, 10))).toEqual([true, true, false]);
    const empty = fixtureOf(1);
    empty.engines = [];
    expect(['a', 'b'].map((id) => empty.submit(id, 10))).toEqual([true, false]);
  });
});
