import { expect, it } from '@jest/globals';
import type { EngineClientHarness, EngineClientTraits } from './harness.js';
import { eventually, exactly, failureOf, freshId, freshPrompt, minutePin, runTurn, turnCall } from './turns.js';
import { openWatch } from './watch-cases.js';

/** An engine that goes away and comes back. The cases build on each other, in this order. */
export const restartCases = (harness: () => EngineClientHarness, traits: EngineClientTraits): void => {
  const stop = async (): Promise<void> => await harness().stop?.();
  const startAndWait = async (): Promise<void> => {
    await harness().start?.();
    const isHealthy = async (): Promise<boolean> =>
      await harness()
        .client.checkHealth()
        .then(
          () => true,
          () => false,
        );
    await eventually(harness(), isHealthy, (healthy) => healthy, 30_000);
  };

  it('fails running turns and watches, and everything after, with ENGINE_UNREACHABLE while it is gone', async () => {
    const { client } = harness();
    const promptIds = freshPrompt(await client.info(), 40);
    const watch = await openWatch(harness());
    const events = client
      .generate(turnCall(freshId('p'), promptIds, { sampling: exactly(2_000) }))
      [Symbol.asyncIterator]();
    await events.next();
    await stop();
    const drain = async (): Promise<void> => {
      while ((await events.next()).done !== true);
    };
    const unreachable = { reason: 'ENGINE_UNREACHABLE', retryable: true };
    expect(await failureOf(drain())).toMatchObject(unreachable);
    expect(await watch.ended).toMatchObject({ retryable: true });
    expect(await failureOf(client.info())).toMatchObject(unreachable);
    expect(await failureOf(client.load())).toMatchObject(unreachable);
    expect(await failureOf(client.checkHealth())).toMatchObject(unreachable);
    expect(await failureOf(runTurn(harness(), turnCall(freshId('p'), promptIds)))).toMatchObject(unreachable);
    await startAndWait();
  });

  it('comes back under a new epoch, idle', async () => {
    const { client } = harness();
    const before = (await client.info()).description.epoch;
    await stop();
    await failureOf(client.checkHealth());
    await startAndWait();
    expect((await client.info()).description.epoch).not.toBe(before);
    expect((await client.load()).load.runningRequests).toBe(0);
  });

  if (!traits.pins) return;

  it('has lost its pins, and refuses what was decided for the old epoch', async () => {
    const { client } = harness();
    const info = await client.info();
    const old = info.description.epoch;
    const programId = freshId('program');
    const promptIds = freshPrompt(info, 2 * info.description.blockTokens + 1);
    await runTurn(harness(), turnCall(programId, promptIds, { hints: { pin: minutePin } }));
    expect((await client.listPins()).pins).toHaveLength(1);
    await stop();
    await failureOf(client.checkHealth());
    await startAndWait();
    expect((await client.listPins()).pins).toEqual([]);
    expect(await failureOf(client.renew(programId, old, minutePin))).toMatchObject({ reason: 'EPOCH_STALE' });
    const { epoch } = (await client.info()).description;
    expect(await failureOf(client.pin(programId, epoch, minutePin))).toMatchObject({ reason: 'KV_NOT_RESIDENT' });
  });
};
