import type { EngineInfo, GenerateCall, GenerateEvent, GenerateSampling } from '@holdfast/engines';
import { type EngineHints, type PinTerms, instant, millis } from '@holdfast/scheduling';
import type { EngineClientHarness } from './harness.js';

/** The complete event of an answer. */
type Complete = Extract<GenerateEvent, { type: 'complete' }>;

/** A finished answer and what was seen on the way. */
export interface Answer {
  readonly streamedIds: readonly number[];
  readonly complete: Complete;
  readonly events: readonly GenerateEvent[];
}

/** What differs from a plain turn. */
export interface TurnOptions {
  readonly sampling?: Partial<GenerateSampling>;
  readonly hints?: Partial<EngineHints>;
  readonly signal?: AbortSignal;
}

let nextId = 1;

/** A name that no other case uses. */
export const freshId = (prefix: string): string => `${prefix}-${nextId++}-${process.pid}`;

/** Pin terms of a minute, infinite value. */
export const minutePin: PinTerms = { ttl: millis(60_000), soft: false, value: null };

/** Exactly `tokens` tokens, whatever the model would like. */
export const exactly = (tokens: number): Partial<GenerateSampling> => ({
  maxTokens: tokens,
  minTokens: tokens,
  ignoreEos: true,
});

/** A prompt that no other case shares a block with, of ordinary tokens of the engine's vocabulary. */
export const freshPrompt = (info: EngineInfo, tokens: number): Uint32Array => {
  const salt = nextId++;
  const usable = Math.min(info.vocabularySize, 250);
  return Uint32Array.from({ length: tokens }, (_, i) => {
    const id = (salt * 31 + i * i * 7 + i * (salt % 13)) % usable;
    return info.eosTokenIds.includes(id) ? (id + 1) % usable : id;
  });
};

/** A call of one turn. */
export const turnCall = (programId: string, promptIds: Uint32Array, options: TurnOptions = {}): GenerateCall => ({
  requestId: freshId('request'),
  promptIds,
  sampling: { maxTokens: 8, temperature: 0, seed: 7, ...options.sampling },
  hints: { programId, turn: 0, programArrivedAt: instant(1_000_000), rank: 0, bid: 0, isLast: false, ...options.hints },
  signal: options.signal ?? new AbortController().signal,
});

/** Runs a turn to its end. */
export const runTurn = async (harness: EngineClientHarness, call: GenerateCall): Promise<Answer> => {
  const events: GenerateEvent[] = [];
  for await (const event of harness.client.generate(call)) events.push(event);
  return answerOf(events);
};

/** Sorts the events of a whole answer. */
export const answerOf = (events: readonly GenerateEvent[]): Answer => {
  const streamedIds = events.flatMap((event) => (event.type === 'tokens' ? [...event.tokenIds] : []));
  const complete = events.at(-1);
  if (complete?.type !== 'complete') throw new Error(`the last of ${events.length} events is no complete`);
  return { streamedIds, complete, events };
};

/** The prompt of the next turn: what was sent, what came back, and something new. */
export const extended = (promptIds: Uint32Array, answer: Answer, more: Uint32Array): Uint32Array =>
  Uint32Array.of(...promptIds, ...answer.complete.outputIds, ...more);

const STEP_MS = 20;

/** Lets engine time pass until the check holds; fails with the last value after `withinMs`. */
export const eventually = async <Value>(
  harness: EngineClientHarness,
  read: () => Promise<Value> | Value,
  holds: (value: Value) => boolean,
  withinMs = 10_000,
): Promise<Value> => {
  let value = await read();
  for (let waitedMs = 0; !holds(value); waitedMs += STEP_MS) {
    if (waitedMs >= withinMs) throw new Error(`after ${withinMs} ms it is still ${JSON.stringify(value)}`);
    await harness.passTime(STEP_MS);
    value = await read();
  }
  return value;
};

/** The error that the work fails with; fails when it succeeds. */
export const failureOf = async (work: Promise<unknown>): Promise<unknown> => {
  const [outcome] = await Promise.allSettled([work]);
  if (outcome.status === 'fulfilled') throw new Error(`expected a failure, got ${JSON.stringify(outcome.value)}`);
  return outcome.reason;
};
