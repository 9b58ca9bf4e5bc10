import { describe, expect, it } from '@jest/globals';
import { micros } from '@holdfast/scheduling';
import { hardPin, Harness, softPin, tokensOf } from './spec-support/harness.js';

describe('pins', () => {
  it('are set with the end of a request over all its full blocks', () => {
    const harness = new Harness();
    // 9 + 4 tokens, 12 of them in KV.
    const finished = harness.serve({ family: 1, promptTokens: 9, outputTokens: 4, pin: hardPin(2.5, micros(5_000)) });
    const pin = {
      programId: 'p1',
      blocks: 3,
      tokens: 12,
      expiresAt: harness.now + 5_000,
      soft: false,
      value: 2.5,
    };
    expect(finished.pin).toEqual(pin);
    expect(harness.model.pins(harness.now)).toEqual([pin]);
    expect(harness.stats()).toMatchObject({ pinnedBlocks: 3, evictableBlocks: 0, freeBlocks: 7, pins: 1 });
    expect(harness.pinChanges()).toEqual(['set p1']);
  });

  it('write infinity as null', () => {
    const harness = new Harness();
    expect(harness.serve({ family: 1, promptTokens: 4, pin: hardPin(null) }).pin?.value).toBeNull();
    expect(harness.serve({ family: 2, promptTokens: 4, pin: hardPin(Infinity) }).pin?.value).toBeNull();
  });

  it('expire at their time, not before', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1, micros(50)) });
    expect(harness.model.nextExpiry()).toBe(harness.now + 50);
    harness.wait(49);
    expect(harness.stats()).toMatchObject({ pins: 1, pinnedBlocks: 2 });
    harness.wait(1);
    harness.model.expire(harness.now);
    expect(harness.stats()).toMatchObject({ pins: 0, pinnedBlocks: 0, evictableBlocks: 2 });
    expect(harness.model.nextExpiry()).toBeNull();
    expect(harness.pinChanges()).toEqual(['set p1', 'expired p1']);
    expect(harness.serve({ family: 1, promptTokens: 9 }).cachedTokens).toBe(8);
  });

  it('name the earliest expiry, whichever pin comes or goes', () => {
    const harness = new Harness();
    for (const family of [1, 2, 3]) harness.serve({ family, promptTokens: 4 });
    const start = harness.now;
    harness.model.pin('p1', hardPin(1, micros(300)), start);
    harness.model.pin('p2', softPin(1, micros(100)), start);
    harness.model.pin('p3', hardPin(1, micros(200)), start);
    expect(harness.model.nextExpiry()).toBe(start + 100);
    harness.model.renew('p2', softPin(1, micros(400)), start);
    expect(harness.model.nextExpiry()).toBe(start + 200);
    harness.model.release('p3', start);
    expect(harness.model.nextExpiry()).toBe(start + 300);
  });

  it('are taken over by the next request of the program when it is admitted', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1) });
    harness.submit({ family: 1, promptTokens: 14 });
    expect(harness.pinChanges()).toEqual(['set p1']);
    harness.run();
    expect(harness.pinChanges()).toEqual(['set p1', 'hit p1']);
    expect(harness.finished.at(-1)?.cachedTokens).toBe(8);
    expect(harness.stats()).toMatchObject({ pins: 0, pinnedBlocks: 0 });
  });

  it('give what the next request does not hit back to the pool', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 36, pin: hardPin(null) });
    // A compaction: only the first block is common. 9 blocks are pinned, 1 is free, and 9 are needed.
    const promptIds = tokensOf(7, 36);
    promptIds.set(tokensOf(1, 4));
    const next = harness.serve({ family: 1, promptTokens: 36, promptIds });
    expect(next).toMatchObject({ cachedTokens: 4, finishReason: 'stop' });
    expect(harness.pinChanges()).toEqual(['set p1', 'hit p1']);
  });

  it('are renewed in time and value and keep their firmness', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1, micros(50)) });
    harness.wait(20);
    const renewed = harness.model.renew('p1', softPin(9, micros(100)), harness.now);
    expect(renewed).toMatchObject({ programId: 'p1', soft: false, value: 9, expiresAt: harness.now + 100 });
    expect(harness.model.renew('p2', hardPin(1), harness.now)).toBe('no-pin');
    harness.wait(100);
    expect(harness.model.renew('p1', hardPin(1), harness.now)).toBe('no-pin');
    expect(harness.pinChanges()).toEqual(['set p1', 'renewed p1', 'expired p1']);
  });

  it('are released once', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1) });
    expect(harness.model.release('p1', harness.now)).toBe(true);
    expect(harness.model.release('p1', harness.now)).toBe(false);
    expect(harness.stats()).toMatchObject({ pinnedBlocks: 0, evictableBlocks: 2 });
    expect(harness.pinChanges()).toEqual(['set p1', 'released p1']);
  });

  it('can be set later over what is still resident, up to the first gap', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.serve({ family: 1, promptTokens: 16 });
    harness.serve({ family: 2, promptTokens: 12 });
    // The second prompt took 2 unused blocks and the last of the first prompt.
    expect(harness.model.pin('p1', hardPin(1), harness.now)).toMatchObject({ blocks: 3, tokens: 12 });
    expect(harness.model.pin('p3', hardPin(1), harness.now)).toBe('not-resident');
    expect(harness.stats()).toMatchObject({ pinnedBlocks: 3, evictableBlocks: 3 });
  });

  it('replace the pin that the program has', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1) });
    expect(harness.model.pin('p1', softPin(4), harness.now)).toMatchObject({ soft: true, value: 4 });
    expect(harness.model.pins(harness.now)).toHaveLength(1);
    expect(harness.stats()).toMatchObject({ pinnedBlocks: 0, evictableBlocks: 2, pins: 1 });
  });

  it('count a block that two of them share once', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1) });
    harness.serve({ family: 1, promptTokens: 12, programId: 'q', pin: hardPin(1) });
    expect(harness.stats()).toMatchObject({ pins: 2, pinnedBlocks: 3 });
    harness.model.release('q', harness.now);
    expect(harness.stats()).toMatchObject({ pins: 1, pinnedBlocks: 2 });
  });

  it('are not set above the cap, and soft ones know no cap', () => {
    const harness = new Harness({ maxPinnedFraction: 0.45 });
    expect(harness.serve({ family: 1, promptTokens: 12, pin: hardPin(1) }).pin).toBeDefined();
    // 4 blocks may be pinned, 3 are.
    expect(harness.serve({ family: 2, promptTokens: 8, pin: hardPin(1) }).pin).toBeUndefined();
    expect(harness.model.pin('p2', hardPin(1), harness.now)).toBe('cap-reached');
    expect(harness.model.pin('p2', softPin(1), harness.now)).toMatchObject({ blocks: 2 });
    expect(harness.stats()).toMatchObject({ pins: 2, pinnedBlocks: 3 });
  });

  it('measure a replacement against the cap without the pin it replaces', () => {
    const harness = new Harness({ maxPinnedFraction: 0.4 });
    harness.serve({ family: 1, promptTokens: 16, pin: hardPin(1) });
    expect(harness.model.pin('p1', hardPin(2), harness.now)).toMatchObject({ blocks: 4, value: 2 });
    // The old pin stays when the new one would not fit.
    harness.submit({ family: 1, promptTokens: 20, programId: 'q' });
    harness.run();
    harness.serve({ family: 1, promptTokens: 20, programId: 'p1' });
    expect(harness.model.pin('p1', hardPin(2), harness.now)).toBe('cap-reached');
  });

  it('are neither set nor kept by the last request of a program', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8 });
    harness.submit({ family: 1, promptTokens: 13, outputTokens: 2, isLast: true, pin: hardPin(1) });
    harness.step();
    harness.model.pin('p1', hardPin(1), harness.now);
    harness.run();
    expect(harness.finished.at(-1)?.pin).toBeUndefined();
    expect(harness.model.pins(harness.now)).toEqual([]);
    expect(harness.model.pin('p1', hardPin(1), harness.now)).toBe('not-resident');
    expect(harness.pinChanges()).toEqual(['set p1', 'released p1']);
  });

  it('are not set by an aborted request', () => {
    const harness = new Harness();
    harness.submit({ family: 1, promptTokens: 8, outputTokens: 3, pin: hardPin(1) });
    harness.step();
    harness.model.abort('r1', harness.now);
    expect(harness.stats()).toMatchObject({ pins: 0, pinnedBlocks: 0 });
    expect(harness.model.pin('p1', hardPin(1), harness.now)).toBe('not-resident');
  });

  it('need one full block', () => {
    const harness = new Harness();
    expect(harness.serve({ family: 1, promptTokens: 3, pin: hardPin(1) }).pin).toBeUndefined();
    expect(harness.model.pin('p1', hardPin(1), harness.now)).toBe('not-resident');
  });
});
