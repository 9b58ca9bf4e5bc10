import { createFakeEngine, type EngineClient } from '@holdfast/engines';
import { ManualClock } from '@holdfast/platform';
import { instant, seconds, type KernelEvent } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { PinExecutor, type PinCommand } from './pin-executor.js';

const terms = { ttl: seconds(10), soft: false, value: 1 };

/** An executor over a fake engine that has run one turn of each program. */
const setUp = async (
  programs: readonly string[],
): Promise<{
  pins: PinExecutor;
  events: KernelEvent[];
  refused: string[];
  engine: ReturnType<typeof createFakeEngine>;
  command: (type: PinCommand['type'], programId: string) => PinCommand;
  setClient: (client: EngineClient | undefined) => void;
}> => {
  const clock = new ManualClock(instant(1_000_000));
  const engine = createFakeEngine({ engineId: 'e', clock });
  const { epoch } = (await engine.client.info()).description;
  for (const programId of programs) {
    const events = engine.client.generate({
      requestId: `r-${programId}`,
      promptIds: Uint32Array.from({ length: 64 }, (_, index) => index),
      sampling: { maxTokens: 2, ignoreEos: true },
      hints: { programId, turn: 0, programArrivedAt: instant(0), rank: 0, bid: 0, isLast: false },
      signal: new AbortController().signal,
    });
    for await (const event of events) if (event.type === 'complete') break;
  }
  const events: KernelEvent[] = [];
  const refused: string[] = [];
  let client: EngineClient | undefined = engine.client;
  const pins = new PinExecutor({
    now: () => clock.now(),
    post: (event) => events.push(event),
    client: () => client,
    onRefused: (_command, reason) => refused.push(reason),
  });
  const command = (type: PinCommand['type'], programId: string): PinCommand =>
    ({ type, programId, engineId: 'e', epoch, ...(type === 'releasePin' ? {} : { terms }) }) as PinCommand;
  return { pins, events, refused, engine, command, setClient: (next) => (client = next) };
};

const changes = (events: readonly KernelEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'pinChanged' ? [`${event.programId} ${event.change}`] : []));

describe('PinExecutor', () => {
  it('reports what the engine holds', async () => {
    const { pins, events, command } = await setUp(['p']);
    pins.submit(command('setPin', 'p'));
    await pins.untilIdle();
    expect(changes(events)).toEqual(['p set']);
    expect(events[0]).toMatchObject({ pinnedTokens: 64, expiresAt: 11_000_000 });
  });

  it('carries out only the last of the wishes that waited', async () => {
    const { pins, events, command, engine } = await setUp(['p', 'q']);
    pins.submit(command('setPin', 'p'));
    pins.submit(command('renewPin', 'p'));
    pins.submit(command('releasePin', 'p'));
    pins.submit(command('setPin', 'q'));
    await pins.untilIdle();
    expect(changes(events).sort()).toEqual(['p released', 'q set']);
    expect((await engine.client.listPins()).pins.map(({ programId }) => programId)).toEqual(['q']);
  });

  it('reports a pin that could not be set as released', async () => {
    const { pins, events, refused, command } = await setUp([]);
    pins.submit(command('setPin', 'stranger'));
    await pins.untilIdle();
    expect(refused).toEqual(['KV_NOT_RESIDENT']);
    expect(changes(events)).toEqual(['stranger released']);
  });

  it('leaves it to the engine to tell what became of a pin that is gone', async () => {
    const { pins, events, refused, command } = await setUp(['p']);
    pins.submit(command('renewPin', 'p'));
    await pins.untilIdle();
    expect(refused).toEqual(['PIN_NOT_FOUND']);
    expect(events).toEqual([]);
  });

  it('drops commands of an epoch that is over', async () => {
    const { pins, events, refused, command, setClient } = await setUp(['p']);
    setClient(undefined);
    pins.submit(command('setPin', 'p'));
    await pins.untilIdle();
    expect([...events, ...refused]).toEqual([]);
  });
});
