import { describe, expect, it } from '@jest/globals';
import { ConversationIndex, type Lane } from './conversation-index.js';

const laneOf = (programId: string): Lane => ({
  programId,
  first: '',
  toolsJson: '',
  openCalls: new Set(),
  isNamed: false,
  isBusy: true,
});

const indexOf = (
  changes: { readonly maxLanes?: number; readonly ended?: ReadonlySet<string> } = {},
): ConversationIndex =>
  new ConversationIndex({
    maxLanes: changes.maxLanes ?? 100,
    isLive: (programId) => changes.ended?.has(programId) !== true,
  });

describe('ConversationIndex', () => {
  it('finds the longest conversation that a request extends, once', () => {
    const index = indexOf();
    const [short, long] = [laneOf('short'), laneOf('long')];
    index.giveBack(short, 'a');
    index.giveBack(long, 'c');
    expect(index.take(['a', 'b', 'c', 'd'])).toMatchObject({ lane: long, head: 'c', knownMessages: 3 });
    expect(index.take(['a', 'b', 'c', 'd'])).toMatchObject({ lane: short, head: 'a', knownMessages: 1 });
    expect(index.take(['a', 'b', 'c', 'd'])).toBeNull();
  });

  it('does not take the same messages once more for a continuation', () => {
    const index = indexOf();
    index.giveBack(laneOf('p'), 'a');
    expect(index.take(['a'])).toBeNull();
  });

  it('forgets what was used longest ago beyond its bound', () => {
    const index = indexOf({ maxLanes: 2 });
    for (const name of ['a', 'b', 'c']) index.giveBack(laneOf(name), name);
    expect(index.size).toBe(2);
    expect(index.take(['a', 'x'])).toBeNull();
    expect(index.take(['b', 'x'])).not.toBeNull();
  });

  it('holds no more than the programs that live, and as many of those as fit', () => {
    const ended = new Set<string>();
    const index = indexOf({ ended });
    for (let round = 0; round < 1_000; round += 1) {
      index.giveBack(laneOf(`p${round}`), `p${round}`);
      if (round >= 10) ended.add(`p${round - 10}`);
    }
    expect(index.size).toBeLessThanOrEqual(11);
    expect(index.take(['p999', 'x'])).not.toBeNull();
  });
});
