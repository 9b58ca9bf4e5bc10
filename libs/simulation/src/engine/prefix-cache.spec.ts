import { describe, expect, it } from '@jest/globals';
import type { KvRemovedEvent, KvStoredEvent } from './model-event.js';
import { continues, Harness, tokensOf } from './spec-support/harness.js';

const stored = (harness: Harness): KvStoredEvent[] =>
  harness.events.filter((event): event is KvStoredEvent => event.type === 'stored');
const removed = (harness: Harness): number[] =>
  harness.events
    .filter((event): event is KvRemovedEvent => event.type === 'removed')
    .flatMap(({ blockHashes }) => blockHashes);

describe('prefix cache', () => {
  it('serves the next turn from the full blocks of prompt and output', () => {
    const harness = new Harness();
    // 10 prompt tokens and 3 output tokens; the last one is never fed back, so 12 tokens are in KV: 3 full blocks.
    harness.serve({ family: 1, promptTokens: 10, outputTokens: 3 });
    const next = harness.serve({ family: 1, promptTokens: 15 });
    expect(next).toMatchObject({ promptTokens: 15, cachedTokens: 12, outputTokens: 1, finishReason: 'stop' });
  });

  it('computes the last prompt token always, so an identical prompt hits all blocks but the last', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8 });
    expect(harness.serve({ family: 1, promptTokens: 8 }).cachedTokens).toBe(4);
    expect(harness.serve({ family: 1, promptTokens: 9 }).cachedTokens).toBe(8);
  });

  it('hits only up to the first differing block', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 16 });
    const promptIds = tokensOf(1, 17);
    promptIds[9] = 7;
    expect(harness.serve({ family: 1, promptTokens: 17, promptIds }).cachedTokens).toBe(8);
  });

  it('does not take equal tokens under another parent for a hit', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 12 });
    const shifted = tokensOf(1, 12).slice(4);
    expect(harness.serve({ family: 1, promptTokens: 9, promptIds: Uint32Array.of(...shifted, 1) }).cachedTokens).toBe(
      0,
    );
  });

  it('overwrites the least recently used request first, and of it the last block first', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.serve({ family: 1, promptTokens: 12 });
    harness.serve({ family: 2, promptTokens: 12 });
    const hashes = stored(harness).flatMap(({ blockHashes }) => blockHashes);
    // All 6 blocks are cached. Two blocks for a third prompt cost the first prompt its last two.
    harness.serve({ family: 3, promptTokens: 8 });
    expect(removed(harness)).toEqual([hashes[2], hashes[1]]);
    expect(harness.serve({ family: 1, promptTokens: 13 }).cachedTokens).toBe(4);
  });

  it('makes a hit block recently used', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.serve({ family: 1, promptTokens: 8 });
    harness.serve({ family: 2, promptTokens: 8 });
    harness.serve({ family: 1, promptTokens: 9 });
    // Free: 1 block that never held anything, and the partial one of the last prompt. Then the second prompt's go.
    harness.serve({ family: 3, promptTokens: 16 });
    expect(harness.serve({ family: 1, promptTokens: 9 }).cachedTokens).toBe(8);
  });

  it('reports stored blocks chained to their parents, with their tokens', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 9, outputTokens: 4 });
    const [first, second] = stored(harness);
    expect(first).toMatchObject({ parentHash: null, tokenIds: tokensOf(1, 8) });
    expect(first!.blockHashes).toHaveLength(2);
    expect(second).toMatchObject({ parentHash: first!.blockHashes[1], tokenIds: tokensOf(1, 12).slice(8) });
    expect([...first!.blockHashes, ...second!.blockHashes].every(Number.isSafeInteger)).toBe(true);
  });

  it('keeps one block for a key when two requests compute the same prompt at once', () => {
    const harness = new Harness();
    for (const requestId of ['a', 'b']) harness.submit({ family: 1, promptTokens: 9, requestId, outputTokens: 2 });
    expect(harness.model.startStep(harness.now)).not.toBeNull();
    expect(harness.stats().activeBlocks).toBe(6);
    harness.model.finishStep();
    // Two shared full blocks, and a partial one each; nothing of the duplicates is reusable.
    expect(harness.stats()).toMatchObject({ activeBlocks: 4, evictableBlocks: 0, freeBlocks: 6 });
    harness.run();
    expect(stored(harness).flatMap(({ blockHashes }) => blockHashes)).toHaveLength(2);
  });

  it('shares a prefix with a running request', () => {
    const harness = new Harness();
    harness.submit({ family: 1, promptTokens: 9, outputTokens: 5 });
    harness.step();
    harness.submit({ family: 1, promptTokens: 10, requestId: 'late', outputIdAt: continues(9, 0) });
    harness.step();
    expect(harness.finished).toMatchObject([{ requestId: 'late', cachedTokens: 8 }]);
    expect(harness.stats()).toMatchObject({ promptTokens: 19, cachedTokens: 8 });
  });

  it('frees everything of an aborted request at once and keeps what it had computed', () => {
    const harness = new Harness();
    harness.submit({ family: 1, promptTokens: 9, outputTokens: 5 });
    harness.step();
    expect(harness.model.abort('r1', harness.now)).toBe(true);
    expect(harness.stats()).toMatchObject({ activeBlocks: 0, evictableBlocks: 2, runningRequests: 0 });
    expect(harness.model.abort('r1', harness.now)).toBe(false);
    expect(harness.model.hasWork()).toBe(false);
    expect(harness.serve({ family: 1, promptTokens: 10 }).cachedTokens).toBe(8);
  });

  it('leaves no trace in a step of a request that was aborted while it ran', () => {
    const harness = new Harness();
    harness.submit({ family: 1, promptTokens: 9, outputTokens: 5 });
    expect(harness.model.startStep(harness.now)).not.toBeNull();
    harness.model.abort('r1', harness.now);
    expect(harness.model.finishStep()).toMatchObject({ tokens: [], finished: [] });
    expect(harness.stats()).toMatchObject({ freeBlocks: 10, evictableBlocks: 0 });
  });

  it('leaves cache events out when nobody watches', () => {
    const harness = new Harness({ totalBlocks: 3, recordKvEvents: false });
    harness.serve({ family: 1, promptTokens: 8 });
    harness.serve({ family: 2, promptTokens: 8 });
    expect(harness.events).toEqual([]);
  });
});
