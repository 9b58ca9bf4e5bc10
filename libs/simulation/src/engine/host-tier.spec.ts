import { describe, expect, it } from '@jest/globals';
import { Harness, softPin } from './spec-support/harness.js';

/** Ten blocks of four tokens on the GPU; a step takes 100 us, and a token comes back from the host in 50. */
const harnessWith = (hostBlocks: number): Harness =>
  new Harness({ host: { blocks: hostBlocks, reloadMicrosPerToken: 50 } });

/** A context of 24 tokens (six blocks), then another program's that needs eight: four of the first are overwritten. */
const displaced = (hostBlocks: number): Harness => {
  const harness = harnessWith(hostBlocks);
  harness.serve({ family: 1, promptTokens: 24 });
  harness.serve({ family: 2, promptTokens: 32 });
  return harness;
};

const returns = (harness: Harness): number =>
  harness.serve({ family: 1, requestId: 'again', promptTokens: 25 }).cachedTokens;

describe('host memory', () => {
  it('takes what is overwritten, and gives it back to the program that returns', () => {
    const harness = displaced(10);
    expect(harness.stats()).toMatchObject({ offloadedTokens: 16, reloadedTokens: 0 });
    expect(returns(harness)).toBe(24);
    // Two blocks were on the GPU still. What the other program loses for it goes to the host in turn.
    expect(harness.stats()).toMatchObject({ reloadedTokens: 16, offloadedTokens: 16 + 20 });
  });

  it('keeps the newest blocks, which are those that follow what is on the GPU', () => {
    const harness = displaced(3);
    expect(returns(harness)).toBe(8 + 12);
    expect(harness.stats()).toMatchObject({ reloadedTokens: 12 });
  });

  it('is not there with no blocks', () => {
    const harness = displaced(0);
    expect(returns(harness)).toBe(8);
    expect(harness.stats()).toMatchObject({ reloadedTokens: 0, offloadedTokens: 0 });
  });

  it('makes a step last as long as the transfer, if that is longer than computing', () => {
    const harness = displaced(10);
    const before = harness.now;
    returns(harness);
    expect(harness.now - before).toBe(16 * 50);
  });

  it('holds a block once: what is reloaded is on the GPU only', () => {
    const harness = displaced(4);
    returns(harness);
    // The second program's five blocks went to the host after the first one's had left it: four of them are there.
    expect(harness.serve({ family: 2, requestId: 'b', promptTokens: 33 }).cachedTokens).toBe(12 + 16);
  });

  it('does not take what an ended program leaves', () => {
    const harness = harnessWith(10);
    harness.serve({ family: 1, promptTokens: 24, isLast: true });
    harness.serve({ family: 2, promptTokens: 32 });
    expect(harness.stats().offloadedTokens).toBe(0);
    expect(returns(harness)).toBe(8);
  });

  it('takes what a soft pin gives up', () => {
    const harness = harnessWith(10);
    harness.serve({ family: 1, promptTokens: 24, pin: softPin(1) });
    harness.serve({ family: 2, promptTokens: 32 });
    expect(harness.stats().offloadedTokens).toBe(16);
    expect(returns(harness)).toBe(24);
  });

  it('refuses sizes and speeds that are none', () => {
    expect(() => harnessWith(-1)).toThrow('host.blocks is -1; allowed is an integer from 0');
    const host = { blocks: 1, reloadMicrosPerToken: NaN };
    expect(() => new Harness({ host })).toThrow('host.reloadMicrosPerToken is NaN; allowed is a finite number');
  });
});
