import { instant, parsePolicy, seconds, type KernelEvent } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { h100Pool } from './h100-pool.fixture.js';
import { simulate } from './simulate.js';
import type { RecordedTurn } from './workload.js';

const first: RecordedTurn = { promptTokens: 500, sharedTokens: 0, outputTokens: 20, tool: 'read', gap: seconds(5) };
const last: RecordedTurn = { promptTokens: 600, sharedTokens: 520, outputTokens: 20, gap: seconds(0) };

/** What the kernel hears between the turns, with seconds since the end of the first. */
const heardOf = (turn: RecordedTurn): readonly (readonly [KernelEvent['type'], number])[] => {
  const events: [KernelEvent['type'], number][] = [];
  simulate({
    profile: parsePolicy('static-ttl:ttl=10s'),
    engines: h100Pool({ engines: 1, kvScale: 1 }),
    arrivals: [{ program: { programId: 'p', programClass: 'c', turns: [turn, last] }, at: instant(0) }],
    dispatchWindow: 4,
    observer: { kernelEvent: ({ type }, now) => void events.push([type, now]) },
  });
  const end = events.find(([type]) => type === 'turnFinished')![1];
  return events
    .filter(([type, at]) => at >= end && (type.startsWith('toolCall') || type === 'turnSubmitted'))
    .map(([type, at]) => [type, (at - end) / 1e6]);
};

describe('the tool of a turn', () => {
  it('has all of the gap where nothing else is known', () => {
    expect(heardOf(first)).toEqual([
      ['toolCallStarted', 0],
      ['toolCallFinished', 5],
      ['turnSubmitted', 5],
    ]);
  });

  it('begins and ends when the scheduler heard of it', () => {
    expect(heardOf({ ...first, heard: { began: seconds(0.25), ended: seconds(4.5) } })).toEqual([
      ['toolCallStarted', 0.25],
      ['toolCallFinished', 4.5],
      ['turnSubmitted', 5],
    ]);
  });

  it('has returned before the next turn is there, also at one instant', () => {
    expect(heardOf({ ...first, heard: { began: seconds(0), ended: seconds(5) } })).toEqual([
      ['toolCallStarted', 0],
      ['toolCallFinished', 5],
      ['turnSubmitted', 5],
    ]);
  });
});
