import { fingerprint, mix, unit } from './mix.js';

/** What decides the output of a request. */
export interface OutputRequest {
  /** The engine's seed. */
  readonly engineSeed: number;
  /** The request's own seed; a request without one always gets the engine's answer. */
  readonly seed?: number;
  readonly promptIds: Uint32Array;
  /** At least 1. */
  readonly maxTokens: number;
  /** Stops count from the token after this many. */
  readonly minTokens: number;
  /** True: the output ends at `maxTokens`, or at a stop the caller named. */
  readonly ignoreEos: boolean;
  readonly stopTokenIds: readonly number[];
  readonly stopStrings: readonly string[];
  /** What the output begins with, and ends after when it may end by itself. Absent: words alone. */
  readonly answerIds?: Uint32Array;
}

/** The output of a request, known before it runs. */
export interface OutputPlan {
  readonly outputTokens: number;
  /** What its words, and their log probabilities, come from. */
  readonly state: number;
  /** Pure. */
  readonly tokenIdAt: (index: number) => number;
  readonly finishReason: 'stop' | 'length';
  readonly matchedTokenId?: number;
  readonly matchedStopString?: string;
}

/** A model that is not told otherwise answers in about this many tokens; lengths are exponential around it. */
const MEAN_OUTPUT_TOKENS = 200;

const CONSONANTS = 'bdfgklmnprstvz';
const VOWELS = 'aeiou';

/** Syllables of a word take two tokens each; the seventh of a group of seven is the space after it. */
const WORD_TOKENS = 7;

/** Pure. The output of a request: a function of the seeds, the prompt and the limits alone. */
export const planOutput = (request: OutputRequest): OutputPlan => {
  const state = fingerprint(mix(request.engineSeed, request.seed ?? 0), request.promptIds);
  const { answerIds } = request;
  const tokenIdAt = (index: number): number => answerIds?.[index] ?? textByte(state, index);
  const length = Math.max(1, request.minTokens, answerIds?.length ?? wordsLength(state));
  const natural = request.ignoreEos ? Infinity : length;
  const limit = Math.min(request.maxTokens, natural);
  const stop = findStop(request, tokenIdAt, limit);
  if (stop !== undefined) return { state, tokenIdAt, finishReason: 'stop', ...stop };
  return { state, tokenIdAt, outputTokens: limit, finishReason: natural <= request.maxTokens ? 'stop' : 'length' };
};

const wordsLength = (state: number): number =>
  Math.ceil(-MEAN_OUTPUT_TOKENS * Math.log(1 - unit(mix(state, 0x6c65_6e67))));

/** Lower-case words of three syllables: text that reads as text and is never special. */
const textByte = (state: number, index: number): number => {
  const place = index % WORD_TOKENS;
  if (place === WORD_TOKENS - 1) return 0x20;
  const letters = place % 2 === 0 ? CONSONANTS : VOWELS;
  return letters.charCodeAt(mix(state, index) % letters.length);
};

type Stop = Pick<OutputPlan, 'outputTokens' | 'matchedTokenId' | 'matchedStopString'>;

const findStop = (request: OutputRequest, tokenIdAt: OutputPlan['tokenIdAt'], limit: number): Stop | undefined => {
  const { stopTokenIds, stopStrings, minTokens } = request;
  if (stopTokenIds.length === 0 && stopStrings.length === 0) return undefined;
  const stopIds = new Set(stopTokenIds);
  const longest = Math.max(0, ...stopStrings.map((stop) => stop.length));
  let tail = '';
  for (let index = 0; index < limit; index += 1) {
    const tokenId = tokenIdAt(index);
    tail = (tail + String.fromCharCode(tokenId)).slice(-longest);
    const outputTokens = index + 1;
    if (outputTokens <= minTokens) continue;
    if (stopIds.has(tokenId)) return { outputTokens, matchedTokenId: tokenId };
    const matched = stopStrings.find((stop) => tail.endsWith(stop));
    if (matched !== undefined) return { outputTokens, matchedStopString: matched };
  }
  return undefined;
};
