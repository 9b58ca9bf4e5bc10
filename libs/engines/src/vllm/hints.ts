/**
 * The hints of Holdfast on the engine's wire: the key `holdfast` of the JSON object in `kv_transfer_params_json`, which
 * is the only free-form channel of that protocol, both ways.
 *
 * Request: `{"holdfast": {request, program, turn, arrivalMs, rank, bid, pin: {ttlMs, soft, value}, last}}`. `request` is
 * the id that KvControl.Rerank names: an engine may give its requests ids of its own. JSON has no infinity, so a pin of
 * infinite value carries the string "inf"; a pin without `value` means the same.
 * Answer: `{"holdfast": {pinnedBlocks, pinnedTokens, expiresInMs, epoch}}`. Unknown keys are ignored, both ways.
 */
import { type EngineHints, type PinTerms, instant, millis, toMillisCeil } from '@holdfast/scheduling';

/** What the engine says it holds for the program after a turn. */
export interface HintAnswer {
  readonly pinnedBlocks: number;
  readonly pinnedTokens: number;
  /** From the moment the answer was sent. */
  readonly expiresInMs: number;
  /** Empty when the engine does not say. */
  readonly epoch: string;
}

/** The wire carries lifetimes as 32-bit milliseconds, so a pin lasts 49 days at most. */
export const longestTtlMs = 0xffff_ffff;

/** Pure. A lifetime on the wire: whole milliseconds, rounded up, at least 1 and at most {@link longestTtlMs}. */
export const ttlToWireMs = (terms: PinTerms): number => Math.min(Math.max(toMillisCeil(terms.ttl), 1), longestTtlMs);

/** Pure. The JSON of a request. */
export const encodeHints = (hints: EngineHints, requestId: string): string =>
  JSON.stringify({
    holdfast: {
      request: requestId,
      program: hints.programId,
      turn: hints.turn,
      arrivalMs: Math.floor(hints.programArrivedAt / 1_000),
      rank: hints.rank,
      bid: hints.bid,
      ...(hints.pin === undefined ? {} : { pin: encodePin(hints.pin) }),
      last: hints.isLast,
    },
  });

const encodePin = (terms: PinTerms): Record<string, unknown> => ({
  ttlMs: ttlToWireMs(terms),
  soft: terms.soft,
  value: terms.value ?? 'inf',
});

/**
 * Pure. Reads the JSON of a request, as an engine does. Undefined when there is no usable hint: a hint may never change
 * the meaning of an answer, so a malformed one is no error. A malformed pin is dropped, the rest is kept.
 */
export const decodeHints = (json: string | undefined): EngineHints | undefined => {
  const holdfast = readHoldfast(json);
  const programId = holdfast?.['program'];
  if (holdfast === undefined || typeof programId !== 'string' || programId === '') return undefined;
  const pin = decodePin(holdfast['pin']);
  return {
    programId,
    turn: numberOr(holdfast['turn'], 0),
    programArrivedAt: instant(numberOr(holdfast['arrivalMs'], 0) * 1_000),
    rank: numberOr(holdfast['rank'], 0),
    bid: numberOr(holdfast['bid'], 0),
    ...(pin === undefined ? {} : { pin }),
    isLast: holdfast['last'] === true,
  };
};

const decodePin = (value: unknown): PinTerms | undefined => {
  if (!isRecord(value)) return undefined;
  const ttlMs = numberOr(value['ttlMs'], 0);
  const worth = value['value'] ?? 'inf';
  if (ttlMs < 1 || (worth !== 'inf' && !isFiniteNumber(worth))) return undefined;
  return { ttl: millis(ttlMs), soft: value['soft'] === true, value: worth === 'inf' ? null : (worth as number) };
};

/** Pure. The JSON of an answer, as an engine writes it. */
export const encodeHintAnswer = (answer: HintAnswer): string => JSON.stringify({ holdfast: answer });

/** Pure. Reads the JSON of an answer. Undefined when it tells of no pin, or is not what it should be. */
export const decodeHintAnswer = (json: string | undefined): HintAnswer | undefined => {
  const holdfast = readHoldfast(json);
  if (holdfast === undefined) return undefined;
  const [pinnedBlocks, pinnedTokens, expiresInMs] = ['pinnedBlocks', 'pinnedTokens', 'expiresInMs'].map((key) =>
    numberOr(holdfast[key], 0),
  ) as [number, number, number];
  if (pinnedTokens <= 0 || expiresInMs <= 0 || pinnedBlocks < 0) return undefined;
  const epoch = holdfast['epoch'];
  return { pinnedBlocks, pinnedTokens, expiresInMs, epoch: typeof epoch === 'string' ? epoch : '' };
};

const readHoldfast = (json: string | undefined): Record<string, unknown> | undefined => {
  if (json === undefined || json === '') return undefined;
  try {
    const value: unknown = JSON.parse(json);
    const holdfast = isRecord(value) ? value['holdfast'] : undefined;
    return isRecord(holdfast) ? holdfast : undefined;
  } catch {
    // Hints are advice: text that is no JSON is no advice.
    return undefined;
  }
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isFiniteNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

const numberOr = (value: unknown, otherwise: number): number => (isFiniteNumber(value) ? value : otherwise);
