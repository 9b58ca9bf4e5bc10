import type { HeldPin } from '@holdfast/engines';
import { type PinTerms, millis } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import type { EngineClientHarness, EngineClientTraits } from './harness.js';
import { type Answer, eventually, extended, freshId, freshPrompt, minutePin, runTurn, turnCall } from './turns.js';

interface FinishedTurn {
  readonly programId: string;
  readonly epoch: string;
  readonly promptIds: Uint32Array;
  readonly answer: Answer;
}

/** Pins of an engine that holds them. */
export const pinCases = (harness: () => EngineClientHarness, traits: EngineClientTraits): void => {
  const finishTurn = async (hintedPin?: PinTerms): Promise<FinishedTurn> => {
    const { client } = harness();
    const info = await client.info();
    const programId = freshId('program');
    const promptIds = freshPrompt(info, 4 * info.description.blockTokens + 2);
    const call = turnCall(programId, promptIds, hintedPin === undefined ? {} : { hints: { pin: hintedPin } });
    return { programId, epoch: info.description.epoch, promptIds, answer: await runTurn(harness(), call) };
  };

  const pinsOf = async (programId: string): Promise<readonly HeldPin[]> =>
    (await harness().client.listPins()).pins.filter((pin) => pin.programId === programId);

  describe('a pin', () => {
    it('is set over the last finished turn, and listed', async () => {
      const { programId, epoch, promptIds } = await finishTurn();
      const pin = await harness().client.pin(programId, epoch, minutePin);
      expect(pin.programId).toBe(programId);
      expect(pin.pinnedTokens).toBeGreaterThanOrEqual(promptIds.length - 2);
      expect(pin.pinnedBlocks).toBeGreaterThanOrEqual(4);
      expect(pin.expiresInMs).toBeGreaterThan(0);
      expect(pin.expiresInMs).toBeLessThanOrEqual(60_000);
      expect(await pinsOf(programId)).toMatchObject([{ pinnedTokens: pin.pinnedTokens }]);
      expect((await harness().client.listPins()).epoch).toBe(epoch);
    });

    it('replaces the one that is there', async () => {
      const { programId, epoch } = await finishTurn();
      await harness().client.pin(programId, epoch, minutePin);
      await harness().client.pin(programId, epoch, { ...minutePin, ttl: millis(600_000) });
      const [pin, ...others] = await pinsOf(programId);
      expect(others).toEqual([]);
      expect(pin?.expiresInMs).toBeGreaterThan(60_000);
    });

    it('is renewed', async () => {
      const { programId, epoch } = await finishTurn(minutePin);
      const renewed = await harness().client.renew(programId, epoch, { ...minutePin, ttl: millis(600_000), value: 2 });
      expect(renewed.expiresInMs).toBeGreaterThan(60_000);
      expect(await pinsOf(programId)).toHaveLength(1);
    });

    it('is released once; a second release is told that there was none', async () => {
      const { programId, epoch } = await finishTurn(minutePin);
      expect(await harness().client.release(programId, epoch)).toBe(true);
      expect(await pinsOf(programId)).toEqual([]);
      expect(await harness().client.release(programId, epoch)).toBe(false);
    });

    it('expires by itself', async () => {
      const { programId, epoch } = await finishTurn();
      await harness().client.pin(programId, epoch, { ...minutePin, ttl: millis(200) });
      await eventually(
        harness(),
        () => pinsOf(programId),
        (pins) => pins.length === 0,
      );
    });

    it('rides on the request as a hint, and the answer says what is held', async () => {
      const { programId, answer } = await finishTurn(minutePin);
      expect(answer.complete.pin?.pinnedTokens).toBeGreaterThan(0);
      expect(answer.complete.pin?.expiresInMs).toBeLessThanOrEqual(60_000);
      expect(await pinsOf(programId)).toHaveLength(1);
    });

    it('is not set on the last turn of a program, whatever the hint says', async () => {
      const info = await harness().client.info();
      const programId = freshId('program');
      const promptIds = freshPrompt(info, 2 * info.description.blockTokens);
      await runTurn(harness(), turnCall(programId, promptIds, { hints: { pin: minutePin, isLast: true } }));
      expect(await pinsOf(programId)).toEqual([]);
    });

    it('is hit by the next turn, which finds its prefix and takes the blocks over', async () => {
      const { programId, promptIds, answer } = await finishTurn(minutePin);
      const info = await harness().client.info();
      const next = extended(promptIds, answer, freshPrompt(info, 5));
      const second = await runTurn(harness(), turnCall(programId, next, { hints: { turn: 1 } }));
      expect(second.complete.cachedTokens).toBeGreaterThanOrEqual(4 * info.description.blockTokens);
      expect(await pinsOf(programId)).toEqual([]);
    });
  });

  describe('a pin operation that cannot be', () => {
    it('names another epoch: EPOCH_STALE, and nothing changes', async () => {
      const { programId } = await finishTurn(minutePin);
      const { client } = harness();
      const stale = { reason: 'EPOCH_STALE' };
      await expect(client.pin(programId, 'an-epoch-of-old', minutePin)).rejects.toMatchObject(stale);
      await expect(client.renew(programId, 'an-epoch-of-old', minutePin)).rejects.toMatchObject(stale);
      await expect(client.release(programId, 'an-epoch-of-old')).rejects.toMatchObject(stale);
      expect(await pinsOf(programId)).toHaveLength(1);
    });

    it('renews what is not there: PIN_NOT_FOUND', async () => {
      const { programId, epoch } = await finishTurn();
      const work = harness().client.renew(programId, epoch, minutePin);
      await expect(work).rejects.toMatchObject({ reason: 'PIN_NOT_FOUND', retryable: false });
    });

    it('pins a program without KV here: KV_NOT_RESIDENT', async () => {
      const { epoch } = (await harness().client.info()).description;
      const work = harness().client.pin(freshId('stranger'), epoch, minutePin);
      await expect(work).rejects.toMatchObject({ reason: 'KV_NOT_RESIDENT', retryable: false });
    });
  });

  if (traits.softPins) {
    it('a soft pin is listed, but takes no capacity', async () => {
      const { programId, epoch } = await finishTurn();
      const before = (await harness().client.load()).load.pinnedBlocks;
      await harness().client.pin(programId, epoch, { ...minutePin, soft: true });
      expect(await pinsOf(programId)).toHaveLength(1);
      expect((await harness().client.load()).load.pinnedBlocks).toBe(before);
    });
  }

  it('a hard pin shows in the load', async () => {
    const { programId, epoch } = await finishTurn();
    const before = (await harness().client.load()).load.pinnedBlocks;
    const { pinnedBlocks } = await harness().client.pin(programId, epoch, minutePin);
    expect((await harness().client.load()).load.pinnedBlocks).toBe(before + pinnedBlocks);
  });
};

/** What an engine without pins answers. */
export const noPinCases = (harness: () => EngineClientHarness): void => {
  it('says that it holds none, and refuses every pin operation', async () => {
    const { client } = harness();
    const { description } = await client.info();
    expect(description.capabilities).toEqual({ pins: false, softPins: false, ordersByRank: false, reranks: false });
    const missing = { reason: 'ENGINE_CAPABILITY_MISSING', retryable: false };
    await expect(client.pin('p', '', minutePin)).rejects.toMatchObject(missing);
    await expect(client.renew('p', '', minutePin)).rejects.toMatchObject(missing);
    await expect(client.release('p', '')).rejects.toMatchObject(missing);
    await expect(client.listPins()).rejects.toMatchObject(missing);
  });

  it('answers a turn with a hinted pin as if there were no hint', async () => {
    const promptIds = freshPrompt(await harness().client.info(), 40);
    const { complete } = await runTurn(harness(), turnCall(freshId('p'), promptIds, { hints: { pin: minutePin } }));
    expect(complete.pin).toBeUndefined();
  });
};
