import type { WatchEvent } from '@holdfast/engines';
import { expect, it } from '@jest/globals';
import type { EngineClientHarness, EngineClientTraits } from './harness.js';
import { eventually, extended, freshId, freshPrompt, minutePin, runTurn, turnCall } from './turns.js';

/** A watch that collects in the background. */
export interface OpenWatch {
  readonly events: WatchEvent[];
  readonly ended: Promise<unknown>;
  stop(): void;
}

/** Opens a watch; resolves when its first event is there. */
export const openWatch = async (harness: EngineClientHarness): Promise<OpenWatch> => {
  const controller = new AbortController();
  const events: WatchEvent[] = [];
  const collect = async (): Promise<void> => {
    const watch = harness.client.watch({ intervalMs: 50, signal: controller.signal });
    for await (const event of watch) events.push(event);
  };
  const ended = collect().then(
    () => undefined,
    (error: unknown) => error,
  );
  await eventually(
    harness,
    () => events.length,
    (count) => count > 0,
  );
  return { events, ended, stop: () => controller.abort() };
};

/** The watch of every engine, and the pin events of one that holds pins. */
export const watchCases = (harness: () => EngineClientHarness, traits: EngineClientTraits): void => {
  it('yields loads at the interval, and ends without an error when the signal aborts', async () => {
    const watch = await openWatch(harness());
    const loads = (): number => watch.events.filter((event) => event.type === 'load').length;
    await eventually(harness(), loads, (count) => count >= 3);
    const { epoch } = (await harness().client.info()).description;
    expect(watch.events.every((event) => event.epoch === epoch)).toBe(true);
    watch.stop();
    expect(await watch.ended).toBeUndefined();
  });

  it('shows a running request', async () => {
    const watch = await openWatch(harness());
    const call = turnCall(freshId('p'), freshPrompt(await harness().client.info(), 40), {
      sampling: { maxTokens: 2_000, minTokens: 2_000, ignoreEos: true },
    });
    for await (const event of harness().client.generate(call)) {
      expect(event.type).toBe('tokens');
      const sawIt = (): boolean =>
        watch.events.some(({ ...seen }) => seen.type === 'load' && seen.load.runningRequests > 0);
      await eventually(harness(), sawIt, (seen) => seen);
      break;
    }
    watch.stop();
    expect(await watch.ended).toBeUndefined();
  });

  if (!traits.pins) return;

  it('tells the changes of a pin in the order in which they happened', async () => {
    const { client } = harness();
    const info = await client.info();
    const { epoch } = info.description;
    const programId = freshId('program');
    const watch = await openWatch(harness());
    const promptIds = freshPrompt(info, 3 * info.description.blockTokens + 1);
    const answer = await runTurn(harness(), turnCall(programId, promptIds));
    await client.pin(programId, epoch, minutePin);
    await client.renew(programId, epoch, minutePin);
    await client.release(programId, epoch);
    await client.pin(programId, epoch, minutePin);
    const next = extended(promptIds, answer, freshPrompt(info, 3));
    await runTurn(harness(), turnCall(programId, next, { hints: { turn: 1 } }));
    const changes = (): string[] =>
      watch.events.flatMap((event) =>
        event.type === 'pin' && event.pin.programId === programId ? [event.change] : [],
      );
    await eventually(harness(), changes, (seen) => seen.length >= 5);
    expect(changes()).toEqual(['set', 'renewed', 'released', 'set', 'hit']);
    watch.stop();
    expect(await watch.ended).toBeUndefined();
  });
};
