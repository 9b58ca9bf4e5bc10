import { describe, expect, it } from '@jest/globals';
import { continues, hardPin, Harness, smallEngine, tokensOf } from './spec-support/harness.js';

const ids = (outcome: { readonly tokens: readonly { readonly requestId: string }[] } | null): string[] =>
  outcome?.tokens.map(({ requestId }) => requestId) ?? [];

describe('steps', () => {
  it('cuts a long prompt into chunks under the token budget', () => {
    const harness = new Harness({ tokenBudget: 8 });
    harness.submit({ family: 1, promptTokens: 20, outputTokens: 2 });
    const outcomes = harness.run();
    // 8 + 8 + 4 prompt tokens, then one decode.
    expect(outcomes.map((outcome) => outcome.tokens.length)).toEqual([0, 0, 1, 1]);
    expect(outcomes[2]!.tokens).toEqual([{ requestId: 'r1', tokenId: 1_000_020, isFirst: true }]);
    expect(outcomes[3]!.tokens).toEqual([{ requestId: 'r1', tokenId: 1_000_021, isFirst: false }]);
    expect(outcomes.map(({ at }) => at)).toEqual([100, 200, 300, 400]);
  });

  it('takes as long as the batch asks for', () => {
    const stepTime = {
      baseMicros: 1_000,
      perPrefillTokenMicros: 10,
      perDecodeSequenceMicros: 7,
      perContextTokenMicros: 2,
      perPrefillPairMicros: 1,
    };
    const harness = new Harness({ tokenBudget: 6, stepTime });
    harness.submit({ family: 1, promptTokens: 8, outputTokens: 2 });
    const ends = harness.run().map(({ at }) => at);
    // Chunk of 6 after 0: 1000 + 60 + 6*3. Chunk of 2 after 6: 1000 + 20 + 2*7. Decode at context 9: 1000 + 7 + 18.
    expect(ends).toEqual([1_078, 1_078 + 1_034, 1_078 + 1_034 + 1_025]);
  });

  it('serves running requests before it admits waiting ones', () => {
    const harness = new Harness({ tokenBudget: 4 });
    harness.submit({ family: 1, promptTokens: 3, outputTokens: 4 });
    harness.step();
    harness.submit({ family: 2, promptTokens: 6, rank: -1 });
    // The decode takes one token of the budget, the prompt gets the other three.
    expect(ids(harness.step())).toEqual(['r1']);
    expect(ids(harness.step())).toEqual(['r1', 'r2']);
  });

  it('admits by rank, then by arrival', () => {
    const harness = new Harness({ maxRunningRequests: 1 });
    harness.submit({ family: 1, promptTokens: 4, rank: 5 });
    harness.submit({ family: 2, promptTokens: 4, rank: 3 });
    harness.submit({ family: 3, promptTokens: 4, rank: 5 });
    harness.submit({ family: 4, promptTokens: 4, rank: 3 });
    expect(harness.run().flatMap(ids)).toEqual(['r2', 'r4', 'r1', 'r3']);
  });

  it('runs no more requests at once than allowed', () => {
    const harness = new Harness({ maxRunningRequests: 2 });
    for (const family of [1, 2, 3]) harness.submit({ family, promptTokens: 4, outputTokens: 2 });
    harness.step();
    expect(harness.stats()).toMatchObject({ runningRequests: 2, waitingRequests: 1 });
  });

  it('admits a request only when its whole prompt fits, and nothing behind it', () => {
    const harness = new Harness({ tokenBudget: 4 });
    harness.submit({ family: 1, promptTokens: 4, outputTokens: 9 });
    harness.step();
    harness.submit({ family: 2, promptTokens: 37, rank: 1 });
    harness.submit({ family: 3, promptTokens: 4, rank: 2 });
    harness.step();
    expect(harness.stats()).toMatchObject({ runningRequests: 1, waitingRequests: 2 });
  });

  it('reserves the blocks of the whole prompt at admission', () => {
    const harness = new Harness({ tokenBudget: 4 });
    harness.submit({ family: 1, promptTokens: 18 });
    harness.step();
    expect(harness.stats()).toMatchObject({ activeBlocks: 5, freeBlocks: 5 });
  });

  it('ends a request that can never fit at once, with an error', () => {
    const harness = new Harness();
    // 10 blocks hold 40 tokens. 40 + 1 tokens put 40 into KV, 38 + 4 put 41: the last one is never fed back.
    harness.submit({ family: 1, promptTokens: 40, outputTokens: 1 });
    harness.submit({ family: 2, promptTokens: 38, outputTokens: 4 });
    expect(harness.step()).toMatchObject({
      at: 0,
      tokens: [],
      finished: [{ requestId: 'r2', finishReason: 'error', outputTokens: 0, promptTokens: 38 }],
    });
    expect(harness.run().flatMap(ids)).toEqual(['r1']);
  });

  it('has nothing to start when nothing is there', () => {
    const harness = new Harness();
    expect(harness.model.hasWork()).toBe(false);
    expect(harness.model.startStep(harness.now)).toBeNull();
  });

  it('counts what it did', () => {
    const harness = new Harness();
    harness.serve({ family: 1, promptTokens: 8, outputTokens: 3 });
    harness.serve({ family: 1, promptTokens: 12, outputTokens: 2 });
    expect(harness.stats()).toEqual({
      totalBlocks: 10,
      freeBlocks: 7,
      evictableBlocks: 3,
      pinnedBlocks: 0,
      activeBlocks: 0,
      runningRequests: 0,
      waitingRequests: 0,
      pins: 0,
      preemptions: 0,
      promptTokens: 20,
      cachedTokens: 8,
      reloadedTokens: 0,
      offloadedTokens: 0,
      outputTokens: 5,
    });
  });
});

describe('misuse', () => {
  const base = {
    requestId: 'x',
    promptIds: tokensOf(1, 4),
    outputTokens: 1,
    outputIdAt: continues(1, 4),
    rank: 0,
    bid: 0,
  };

  it.each([
    [{ promptIds: new Uint32Array(0) }, /promptIds of x has 0 tokens/],
    [{ outputTokens: 0 }, /outputTokens of x is 0/],
    [{ rank: Number.NaN }, /rank of x is NaN/],
    [{ bid: Number.NaN }, /bid of x is NaN/],
    [{ pin: hardPin(1) }, /programId of x is missing/],
    [{ programId: 'p', pin: { ...hardPin(1), ttl: 0 as never } }, /pin ttl is 0/],
  ])('refuses a request with %o', (change, message) => {
    const harness = new Harness();
    expect(() => harness.model.submit({ ...base, ...change }, harness.now)).toThrow(message);
    expect(harness.model.hasWork()).toBe(false);
  });

  it('refuses a request id that is in the engine', () => {
    const harness = new Harness();
    harness.model.submit(base, harness.now);
    expect(() => harness.model.submit(base, harness.now)).toThrow(/requestId x is in the engine already/);
  });

  it('refuses steps out of turn', () => {
    const harness = new Harness();
    expect(() => harness.model.finishStep()).toThrow(/no step is under way/);
    harness.model.submit(base, harness.now);
    harness.model.startStep(harness.now);
    expect(() => harness.model.startStep(harness.now)).toThrow(/a step is under way/);
  });

  it.each([
    [{ totalBlocks: 0 }, /totalBlocks is 0/],
    [{ blockTokens: 1.5 }, /blockTokens is 1.5/],
    [{ maxPinnedFraction: 1.1 }, /maxPinnedFraction is 1.1/],
    [{ stepTime: { ...smallEngine.stepTime, baseMicros: -1 } }, /stepTime.baseMicros is -1/],
  ])('refuses an engine with %o', (change, message) => {
    expect(() => new Harness(change)).toThrow(message);
  });
});
