import { createFakeEngine, type FakeEngine } from '@holdfast/engines';
import { DomainError, systemClock } from '@holdfast/platform';
import { instant, seconds, type KernelEvent } from '@holdfast/scheduling';
import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineAttachment } from './engine-attachment.js';

const clock = systemClock();
const attachments: EngineAttachment[] = [];

afterEach(async () => {
  await Promise.all(attachments.splice(0).map((attachment) => attachment.stop()));
});

const attach = (
  options: { readonly admit?: () => void; readonly engine?: FakeEngine } = {},
): { attachment: EngineAttachment; engine: FakeEngine; events: KernelEvent[]; lost: string[] } => {
  const engine = options.engine ?? createFakeEngine({ engineId: 'e', clock });
  const events: KernelEvent[] = [];
  const lost: string[] = [];
  const attachment = new EngineAttachment({
    engineId: 'e',
    client: engine.client,
    now: () => clock.now(),
    post: (event) => events.push(event),
    knowsProgram: (programId) => programId === 'known',
    admit: options.admit ?? (() => undefined),
    onAttached: () => undefined,
    onLost: (error) => lost.push(error.reason),
  });
  attachments.push(attachment);
  attachment.start();
  return { attachment, engine, events, lost };
};

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(2);
};

const kinds = (events: readonly KernelEvent[]): string[] =>
  events.map(({ type }) => type).filter((type) => type !== 'engineObserved');

describe('EngineAttachment', () => {
  it('tells of the engine, then of its load', async () => {
    const { attachment, events } = attach();
    await attachment.settled();
    await until(() => events.some(({ type }) => type === 'engineObserved'));
    expect(events[0]?.type).toBe('engineJoined');
    expect(attachment.info?.description.engineId).toBe('e');
  });

  it('settles though the engine is away, and attaches when it comes', async () => {
    const engine = createFakeEngine({ engineId: 'e', clock });
    engine.inject({ type: 'unreachable' });
    const { attachment, events } = attach({ engine });
    await attachment.settled();
    expect(attachment.info).toBeNull();
    engine.heal();
    await until(() => kinds(events).includes('engineJoined'));
    expect(attachment.info).not.toBeNull();
  });

  it('tells a restart as a loss and a new epoch', async () => {
    const { attachment, engine, events, lost } = attach();
    await attachment.settled();
    const before = attachment.info?.description.epoch ?? '';
    await until(() => events.some(({ type }) => type === 'engineObserved'));
    engine.restart();
    await until(() => kinds(events).length === 3);
    expect(kinds(events)).toEqual(['engineJoined', 'engineLost', 'engineJoined']);
    expect(attachment.clientOf(before)).toBeUndefined();
    expect(lost).toEqual(['ENGINE_RESTARTED']);
  });

  it.each([
    ['breaks the protocol', 'ENGINE_PROTOCOL_VIOLATED' as const],
    ['says that it serves another epoch', 'EPOCH_STALE' as const],
  ])('gives an engine up that %s, and takes it again later', async (_, reason) => {
    const { attachment, events } = attach();
    await attachment.settled();
    const epoch = attachment.info?.description.epoch ?? '';
    await attachment.suspect(epoch, engineError(reason));
    expect(attachment.clientOf(epoch)).toBeUndefined();
    await until(() => kinds(events).length === 3);
    expect(attachment.clientOf(epoch)).toBeDefined();
  });

  it('keeps an engine that answers though a call to it broke', async () => {
    const { attachment } = attach();
    await attachment.settled();
    const epoch = attachment.info?.description.epoch ?? '';
    await attachment.suspect(epoch, engineError('ENGINE_UNREACHABLE'));
    expect(attachment.clientOf(epoch)).toBeDefined();
  });

  it('gives back the pins of programs that nobody knows', async () => {
    const engine = createFakeEngine({ engineId: 'e', clock });
    for (const programId of ['known', 'unknown']) await runTurnWithPin(engine, programId);
    const { attachment, events } = attach({ engine });
    await attachment.settled();
    expect((await engine.client.listPins()).pins.map(({ programId }) => programId)).toEqual(['known']);
    expect(events.filter(({ type }) => type === 'pinChanged')).toHaveLength(1);
  });

  it('does not attach an engine that does not fit the pool', async () => {
    const { attachment, events, lost } = attach({
      admit: () => {
        throw engineError('MODEL_NOT_FOUND');
      },
    });
    await attachment.settled();
    expect(events).toEqual([]);
    expect(lost[0]).toBe('MODEL_NOT_FOUND');
  });
});

const engineError = (
  reason: 'ENGINE_PROTOCOL_VIOLATED' | 'EPOCH_STALE' | 'ENGINE_UNREACHABLE' | 'MODEL_NOT_FOUND',
): DomainError => new DomainError({ kind: 'unavailable', reason, message: reason });

const runTurnWithPin = async (engine: FakeEngine, programId: string): Promise<void> => {
  const pin = { ttl: seconds(60), soft: false, value: 1 };
  const events = engine.client.generate({
    requestId: programId,
    promptIds: Uint32Array.from({ length: 32 }, (_, index) => index),
    sampling: { maxTokens: 1, ignoreEos: true },
    hints: { programId, turn: 0, programArrivedAt: instant(0), rank: 0, bid: 0, isLast: false, pin },
    signal: new AbortController().signal,
  });
  for await (const event of events) if (event.type === 'complete') return;
};
