import { describe, expect, it } from '@jest/globals';
import { micros } from '@holdfast/scheduling';
import { hardPin, Harness, softPin } from './spec-support/harness.js';

describe('growth of running requests', () => {
  it('takes the pin of lowest value first, and no pin more than it needs', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(7) });
    harness.serve({ family: 2, promptTokens: 8, pin: hardPin(3) });
    // 2 blocks are left: 8 prompt tokens fill them, the second output token needs a third.
    harness.submit({ family: 3, promptTokens: 8, outputTokens: 3 });
    harness.run();
    expect(harness.pinChanges()).toEqual(['set p1', 'set p2', 'revoked p2 growth']);
    expect(harness.stats()).toMatchObject({ preemptions: 0, pins: 1 });
  });

  it('takes an infinite pin too before it preempts', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(null) });
    harness.submit({ family: 2, promptTokens: 8, outputTokens: 3 });
    harness.submit({ family: 3, promptTokens: 8, outputTokens: 3 });
    harness.run();
    expect(harness.pinChanges()).toEqual(['set p1', 'revoked p1 growth']);
    expect(harness.stats().preemptions).toBe(0);
  });

  it('takes soft-pinned blocks before hard pins of lower value', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1) });
    harness.serve({ family: 2, promptTokens: 8, pin: softPin(9) });
    harness.submit({ family: 3, promptTokens: 8, outputTokens: 3 });
    harness.run();
    expect(harness.model.pins(harness.now)).toMatchObject([
      { programId: 'p1', blocks: 2 },
      { programId: 'p2', blocks: 1 },
    ]);
  });

  it('among pins of one value takes the one that expires last', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(null, micros(9_000)) });
    harness.serve({ family: 2, promptTokens: 8, pin: hardPin(null, micros(5_000)) });
    harness.submit({ family: 3, promptTokens: 8, outputTokens: 3 });
    harness.run();
    expect(harness.pinChanges().at(-1)).toBe('revoked p1 growth');
  });

  it('spares a pin whose blocks a running request uses: it would give nothing', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1) });
    harness.serve({ family: 2, promptTokens: 8, pin: hardPin(5) });
    // Another program runs on the blocks of the first pin.
    harness.submit({ family: 1, promptTokens: 12, programId: 'q', outputTokens: 6 });
    harness.run();
    expect(harness.pinChanges()).toContain('revoked p2 growth');
    expect(harness.model.pins(harness.now)).toMatchObject([{ programId: 'p1', blocks: 2 }]);
  });

  it('preempts the running request of largest rank, which then waits in front and recomputes', () => {
    const harness = new Harness({ totalBlocks: 6 });
    harness.submit({ family: 1, promptTokens: 8, outputTokens: 6, rank: 1 });
    harness.submit({ family: 2, promptTokens: 8, outputTokens: 6, rank: 9 });
    harness.submit({ family: 3, promptTokens: 4, outputTokens: 6, rank: 5 });
    harness.step();
    // All 6 blocks would be needed for the next tokens of the first two; the third could not grow either.
    expect(harness.stats()).toMatchObject({ runningRequests: 3, activeBlocks: 5 });
    harness.submit({ family: 4, promptTokens: 4, outputTokens: 6, rank: 0 });
    const outcome = harness.step();
    expect(outcome?.preempted).toEqual(['r2']);
    // Nobody is admitted in a step that preempted, though a block is free for r4.
    expect(harness.stats()).toMatchObject({ runningRequests: 2, waitingRequests: 2, preemptions: 1 });
    harness.run();
    expect(harness.finished.map(({ requestId }) => requestId)).toEqual(['r1', 'r3', 'r2', 'r4']);
    expect(harness.finished[2]).toMatchObject({ outputTokens: 6, cachedTokens: 0, promptTokens: 8 });
  });

  it('of equal ranks preempts the latest arrival, even the one that needs the block', () => {
    const harness = new Harness({ totalBlocks: 4 });
    harness.submit({ family: 1, promptTokens: 7, outputTokens: 6 });
    harness.submit({ family: 2, promptTokens: 8, outputTokens: 6 });
    harness.step();
    expect(harness.step()?.preempted).toEqual(['r2']);
    expect(harness.stats()).toMatchObject({ runningRequests: 1, waitingRequests: 1 });
  });

  it('gives the tokens of a preempted request to those behind it in the same step', () => {
    const harness = new Harness({ totalBlocks: 4, tokenBudget: 5 });
    harness.submit({ family: 1, promptTokens: 1, outputTokens: 10, rank: 9 });
    harness.step();
    harness.submit({ family: 2, promptTokens: 3, outputTokens: 8, rank: 0 });
    harness.submit({ family: 3, promptTokens: 8, rank: 1 });
    // These two steps compute 1 and 3 tokens of the third prompt beside the other two requests.
    for (const running of [2, 2]) expect(harness.step()?.tokens).toHaveLength(running);
    // The second request needs a block and preempts the first, already scheduled: 4 tokens are left for the third.
    expect(harness.step()).toMatchObject({ preempted: ['r1'], finished: [{ requestId: 'r3' }] });
  });

  it('produces every token once, in order, whatever was preempted', () => {
    const harness = new Harness({ totalBlocks: 6 });
    for (const family of [1, 2, 3]) harness.submit({ family, promptTokens: 6, outputTokens: 9, rank: -family });
    const tokens = harness.run().flatMap((outcome) => outcome.tokens);
    expect(harness.stats().preemptions).toBeGreaterThan(0);
    for (const family of [1, 2, 3]) {
      const own = tokens.filter(({ requestId }) => requestId === `r${family}`);
      expect(own.map(({ tokenId }) => tokenId)).toEqual(Array.from({ length: 9 }, (_u, i) => family * 1e6 + 6 + i));
      expect(own.map(({ isFirst }) => isFirst)).toEqual([true, ...Array<boolean>(8).fill(false)]);
    }
  });
});

describe('a waiting head that does not fit', () => {
  /** 4 + 2 + 2 of 10 blocks pinned at 5, 3 and 1; one request runs on 1 block: 1 is left. */
  const crowded = (): Harness => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 16, pin: hardPin(5) });
    harness.serve({ family: 2, promptTokens: 8, pin: hardPin(3) });
    harness.serve({ family: 3, promptTokens: 8, pin: hardPin(1) });
    harness.submit({ family: 4, promptTokens: 1, outputTokens: 3 });
    harness.step();
    return harness;
  };

  it('takes pins below its bid, lowest value first, until it fits', () => {
    const harness = crowded();
    harness.submit({ family: 5, promptTokens: 9, bid: 4 });
    harness.step();
    expect(harness.stats().runningRequests).toBe(1);
    expect(harness.pinChanges().slice(3)).toEqual(['revoked p3 outbid']);
    expect(harness.finished.at(-1)?.requestId).toBe('r5');
  });

  it('takes nothing when all pins below its bid together are not enough', () => {
    const harness = crowded();
    harness.submit({ family: 5, promptTokens: 24, bid: 4 });
    harness.step();
    expect(harness.pinChanges()).toHaveLength(3);
    expect(harness.stats()).toMatchObject({ waitingRequests: 1, pins: 3 });
  });

  it('does not take a pin whose value equals its bid', () => {
    const harness = crowded();
    harness.submit({ family: 5, promptTokens: 8, bid: 1 });
    harness.step();
    expect(harness.stats()).toMatchObject({ waitingRequests: 1, pins: 3 });
  });

  it('gets in once a pin is renewed below its bid', () => {
    const harness = crowded();
    harness.submit({ family: 5, promptTokens: 8, bid: 1 });
    harness.step();
    harness.model.renew('p1', hardPin(0.5), harness.now);
    harness.step();
    expect(harness.pinChanges().slice(3)).toEqual(['renewed p1', 'revoked p1 outbid']);
  });

  it('counts shared blocks of several pins as gained only when all of them go', () => {
    const harness = new Harness({ totalBlocks: 5 });
    harness.serve({ family: 1, promptTokens: 12, pin: hardPin(1) });
    harness.serve({ family: 1, promptTokens: 13, programId: 'q', pin: hardPin(6) });
    harness.submit({ family: 4, promptTokens: 1, outputTokens: 3 });
    harness.step();
    harness.submit({ family: 5, promptTokens: 8, bid: 4 });
    harness.step();
    expect(harness.stats()).toMatchObject({ waitingRequests: 1, pins: 2 });
    harness.submit({ family: 6, promptTokens: 8, bid: 7, rank: -1 });
    harness.step();
    expect(harness.pinChanges().slice(2)).toEqual(['revoked p1 outbid', 'revoked q outbid']);
  });

  it('does not count the blocks it will hit as gained', () => {
    const harness = new Harness({ totalBlocks: 5 });
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1) });
    harness.submit({ family: 4, promptTokens: 1, outputTokens: 3 });
    harness.step();
    // Hits 2 pinned blocks and needs 3 more where 2 are left; taking the pin would not help.
    harness.submit({ family: 1, promptTokens: 20, programId: 'q', bid: 4 });
    harness.step();
    expect(harness.stats()).toMatchObject({ waitingRequests: 1, pins: 1 });
  });

  it('spares a pin whose blocks are all in use: taking it would give nothing', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8, pin: hardPin(1) });
    harness.serve({ family: 2, promptTokens: 12, pin: hardPin(2) });
    // Another program runs on the blocks of the first pin and on two more: 3 of 10 are left.
    harness.submit({ family: 1, promptTokens: 12, programId: 'q', outputTokens: 4 });
    harness.step();
    harness.submit({ family: 5, promptTokens: 17, bid: 5 });
    harness.step();
    expect(harness.pinChanges().slice(2)).toEqual(['revoked p2 outbid']);
  });

  it('at total stall takes pins of any value until it fits', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 16, pin: hardPin(null) });
    harness.serve({ family: 2, promptTokens: 8, pin: hardPin(3) });
    harness.serve({ family: 3, promptTokens: 8, pin: hardPin(1) });
    harness.serve({ family: 5, promptTokens: 20, bid: 2 });
    // 2 are left, 5 are needed: the pin below the bid counts as outbid, the other one falls to the stall.
    expect(harness.pinChanges().slice(3)).toEqual(['revoked p3 outbid', 'revoked p2 stall']);
  });
});

describe('soft pins', () => {
  it('give way to a waiting request without a bid, after every unpinned block', () => {
    const harness = new Harness({ totalBlocks: 8 });
    harness.serve({ family: 1, promptTokens: 8, pin: softPin(9) });
    harness.serve({ family: 2, promptTokens: 8 });
    harness.serve({ family: 3, promptTokens: 24 });
    expect(harness.pinChanges()).toEqual(['set p1']);
    expect(harness.serve({ family: 1, promptTokens: 9 }).cachedTokens).toBe(8);
  });

  it('lose the lowest value first, last blocks first', () => {
    const harness = new Harness({ totalBlocks: 8 });
    harness.serve({ family: 1, promptTokens: 16, pin: softPin(2) });
    harness.serve({ family: 2, promptTokens: 12, pin: softPin(1) });
    harness.serve({ family: 3, promptTokens: 20 });
    // 1 block was unpinned, 3 came from the second pin, 1 from the first.
    expect(harness.model.pins(harness.now)).toMatchObject([{ programId: 'p1', blocks: 3, tokens: 12 }]);
    expect(harness.pinChanges()).toEqual(['set p1', 'set p2', 'revoked p2 stall']);
    expect(harness.serve({ family: 1, promptTokens: 17 }).cachedTokens).toBe(12);
  });

  it('that share blocks lose what one holds alone before what both hold', () => {
    const harness = new Harness({ totalBlocks: 8 });
    harness.serve({ family: 1, promptTokens: 8, pin: softPin(1) });
    harness.serve({ family: 1, promptTokens: 16, programId: 'q', pin: softPin(5) });
    harness.serve({ family: 3, promptTokens: 20 });
    expect(harness.model.pins(harness.now)).toMatchObject([
      { programId: 'p1', blocks: 2 },
      { programId: 'q', blocks: 3 },
    ]);
    harness.serve({ family: 4, promptTokens: 28 });
    expect(harness.serve({ family: 1, promptTokens: 9 }).cachedTokens).toBe(4);
  });

  it('become ordinary cache when they expire', () => {
    const harness = new Harness({ totalBlocks: 4 });
    harness.serve({ family: 1, promptTokens: 8, pin: softPin(9, micros(50)) });
    harness.wait(50);
    harness.serve({ family: 2, promptTokens: 16 });
    expect(harness.pinChanges()).toEqual(['set p1', 'expired p1']);
    expect(harness.serve({ family: 1, promptTokens: 9 }).cachedTokens).toBe(0);
  });
});
