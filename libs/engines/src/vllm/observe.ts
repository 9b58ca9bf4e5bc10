import { setTimeout as sleep } from 'node:timers/promises';
import type { kv } from '@holdfast/contracts';
import type { EngineDescription, EngineLoad } from '@holdfast/scheduling';
import type { WatchEvent } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import { discover } from './discover.js';
import { type EngineLink, noteLoss } from './engine-link.js';
import { loadFromSchedulers, loadFromStats } from './load-from-proto.js';
import { pinEventFromProto } from './pin-from-proto.js';
import { callSource } from './message-source.js';
import { pullMessages } from './pull-messages.js';

/** One observation, and the epoch it was made in. */
export interface ObservedLoad {
  readonly epoch: string;
  readonly load: EngineLoad;
}

/** See `EngineClient.watch`. */
export interface WatchOptions {
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** See `EngineClient.load`. Runs `info` first where that was never done. */
export const readLoad = async (link: EngineLink): Promise<ObservedLoad> => {
  const description = await describe(link);
  return description.capabilities.pins ? readStats(link) : readSchedulers(link, description);
};

const describe = async (link: EngineLink): Promise<EngineDescription> =>
  link.description ?? (await discover(link)).description;

const readStats = async (link: EngineLink): Promise<ObservedLoad> => {
  const { stats } = await link.unary('GetStats', link.kvControl, link.kvControl.getStats, {});
  if (stats !== undefined) return { epoch: stats.epoch, load: loadFromStats(stats) };
  throw violation(link, 'GetStats: the answer has no stats');
};

const readSchedulers = async (link: EngineLink, description: EngineDescription): Promise<ObservedLoad> => {
  const { loads } = await link.unary('GetLoads', link.engine, link.engine.getLoads, { include: [] });
  return { epoch: description.epoch, load: loadFromSchedulers(loads, description.blockTokens) };
};

/** See `EngineClient.watch`. An epoch other than that of the last `info` ends it with ENGINE_RESTARTED. */
export async function* watch(link: EngineLink, options: WatchOptions): AsyncGenerator<WatchEvent, void> {
  try {
    const description = await describe(link);
    yield* description.capabilities.pins ? watchControl(link, description, options) : poll(link, description, options);
  } catch (error) {
    // The end that was asked for.
    if (options.signal.aborted) return;
    noteLoss(link, error);
    throw error;
  }
}

async function* watchControl(
  link: EngineLink,
  description: EngineDescription,
  { intervalMs, signal }: WatchOptions,
): AsyncGenerator<WatchEvent, void> {
  const { engineId, kvControl, timeouts } = link;
  const stream = kvControl.watch({ statsIntervalMs: clamp(intervalMs) });
  // Stats come at the interval, whatever happens: a silence of several intervals is a hang.
  const idleMs = Math.max(5 * clamp(intervalMs), timeouts.unaryMs);
  let sequence = 0n;
  const pull = { engineId, method: 'Watch', client: kvControl, firstMessageMs: timeouts.unaryMs, idleMs, signal };
  for await (const { payload } of pullMessages(callSource(stream), pull)) {
    if (payload?.$case === 'stats') {
      requireEpoch(link, description.epoch, payload.value.epoch);
      yield { type: 'load', epoch: payload.value.epoch, load: loadFromStats(payload.value) };
    } else if (payload?.$case === 'pinEvent') {
      sequence = requireNext(link, sequence, payload.value);
      const event = pinEventFromProto(payload.value, description.epoch);
      if (event !== undefined) yield event;
    }
  }
  throw new EngineError({ reason: 'ENGINE_UNREACHABLE', engineId, message: 'Watch: the engine ended the stream' });
}

async function* poll(
  link: EngineLink,
  description: EngineDescription,
  { intervalMs, signal }: WatchOptions,
): AsyncGenerator<WatchEvent, void> {
  while (!signal.aborted) {
    yield { type: 'load', ...(await readSchedulers(link, description)) };
    await sleep(clamp(intervalMs), undefined, { signal });
  }
}

/** Limits of WatchRequest.stats_interval_ms. */
const clamp = (intervalMs: number): number => Math.min(Math.max(Math.round(intervalMs), 10), 60_000);

const requireEpoch = ({ engineId }: EngineLink, known: string, now: string): void => {
  if (known === now) return;
  const message = `Watch: the epoch is ${now}, no longer ${known}; its pins are gone`;
  throw new EngineError({ reason: 'ENGINE_RESTARTED', engineId, message });
};

/** A gap means lost pin events: the caller attaches again, which reads the pins afresh. */
const requireNext = (link: EngineLink, last: bigint, event: kv.PinEvent): bigint => {
  if (last === 0n || event.sequence === last + 1n) return event.sequence;
  throw violation(link, `Watch: pin event ${event.sequence} follows ${last}; events were lost`, true);
};

const violation = ({ engineId }: EngineLink, message: string, retryable = false): EngineError =>
  new EngineError({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId, message, retryable });
