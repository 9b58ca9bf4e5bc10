import { build, type Histogram } from 'hdr-histogram-js';
import { setImmediate } from 'node:timers/promises';
import type { Contender } from './contenders.js';
import type { Message } from './http-chat.js';

/** What one way took, in milliseconds. */
export interface GatewayRow {
  readonly contender: string;
  /** Conversations at once. */
  readonly concurrency: number;
  readonly turns: number;
  readonly ttftP50Ms: number;
  readonly ttftP99Ms: number;
  readonly totalP50Ms: number;
  readonly totalP99Ms: number;
  /** Over the engine's own front. */
  readonly addedTtftP50Ms: number;
  readonly addedTotalP50Ms: number;
  /** The first turns of conversations alone, over those of the engine's own front. */
  readonly addedFirstTurnP50Ms: number;
  /** Why it was asked no more; null for one that answered every turn. */
  readonly failure: string | null;
}

/** How much is measured. */
export interface MeasureOptions {
  readonly concurrency: number;
  /** Conversations of each contender, in all. */
  readonly conversations: number;
}

const TURNS = 10;
const MAX_TOKENS = 16;
const WORDS = 'The build fails in module seven; read the log, find the cause and say what to change. '.repeat(4);

interface Times {
  readonly ttft: Histogram;
  readonly total: Histogram;
  readonly first: Histogram;
  failure: string | null;
}

/** Conversations of all measurements: none repeats what was said in an earlier one, whose KV the engine may still have. */
let begun = 0;

const newTimes = (): Times => {
  const histogram = (): Histogram => build({ numberOfSignificantValueDigits: 3 });
  return { ttft: histogram(), total: histogram(), first: histogram(), failure: null };
};

/**
 * Conversations of {@link TURNS} turns, whole with each turn. Every contender has its own, and they take turns in an order that
 * is drawn anew each time, so that noise of the machine hits all alike, and so does what the one before has left in the
 * processor's caches. One that fails to answer is asked no more; the others go on.
 */
export const measure = async (
  contenders: readonly Contender[],
  { concurrency, conversations }: MeasureOptions,
): Promise<GatewayRow[]> => {
  const times = contenders.map(newTimes);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < conversations) {
      next += 1;
      begun += 1;
      await converse(contenders, times, String(begun));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const [engine] = times;
  if (engine === undefined) throw new Error('no contender');
  return contenders.map(({ name }, index) => {
    const own = times[index] ?? engine;
    return {
      contender: name,
      concurrency,
      turns: own.total.totalCount,
      ttftP50Ms: at(own.ttft, 50),
      ttftP99Ms: at(own.ttft, 99),
      totalP50Ms: at(own.total, 50),
      totalP99Ms: at(own.total, 99),
      addedTtftP50Ms: at(own.ttft, 50) - at(engine.ttft, 50),
      addedTotalP50Ms: at(own.total, 50) - at(engine.total, 50),
      addedFirstTurnP50Ms: at(own.first, 50) - at(engine.first, 50),
      failure: own.failure,
    };
  });
};

const converse = async (contenders: readonly Contender[], times: readonly Times[], id: string): Promise<void> => {
  // Of equal length, and of no two contenders the same: none finds the KV of another.
  const said = contenders.map((_, index): Message[] => [
    { role: 'system', content: `You are coding agent ${index} of conversation ${id}.` },
  ]);
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const index of anyOrder(contenders.length)) {
      const [contender, messages, own] = [contenders[index], said[index], times[index]];
      if (contender === undefined || messages === undefined || own === undefined) throw new Error('no contender');
      if (own.failure !== null) continue;
      messages.push({ role: 'user', content: `${turn}: ${WORDS}` });
      await anyMoment();
      try {
        const { text, ttftMs, totalMs } = await contender.ask(messages, MAX_TOKENS);
        messages.push({ role: 'assistant', content: text });
        own.ttft.recordValue(Math.round(ttftMs * 1_000));
        own.total.recordValue(Math.round(totalMs * 1_000));
        if (turn === 0) own.first.recordValue(Math.round(totalMs * 1_000));
      } catch (error) {
        own.failure = `turn ${own.total.totalCount + 1}: ${(error as Error).message}`;
      }
    }
  }
};

const anyOrder = (length: number): number[] =>
  Array.from({ length }, (_, index) => ({ index, at: Math.random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ index }) => index);

/**
 * Up to a millisecond. Timers tick with the millisecond, those of the engine as well, and whoever follows one tick arrives at
 * the same point before the next: what a way adds would be rounded to whole milliseconds, one up or one down by chance.
 */
const anyMoment = async (): Promise<void> => {
  const until = performance.now() + Math.random();
  while (performance.now() < until) await setImmediate();
};

const at = (histogram: Histogram, percentile: number): number => histogram.getValueAtPercentile(percentile) / 1_000;
