/**
 * The hints of Holdfast on the engine's wire: the key `holdfast` of the JSON object in `kv_transfer_params_json`, which
 * is the only free-form channel of that protocol, both ways. Unknown keys are ignored.
 */
import { type DomainError, invalidFields } from '@holdfast/platform';
import { millis, type Instant, type PinTerms } from '@holdfast/scheduling';
import type { ModelPin } from '@holdfast/simulation';
import { z } from 'zod';
import { remainingMs } from '../kv/pin-mapping.js';

const FIELD = 'kv_transfer_params_json';

/** The wire carries lifetimes as 32-bit milliseconds. */
const LONGEST_TTL_MS = 0xffff_ffff;

/** JSON has no infinity: the string "inf", null and an absent value all stand for it. */
const priceSchema = z.union([z.number(), z.literal('inf').transform(() => null), z.null()]);

const pinSchema = z.object({
  ttlMs: z.number().min(1).max(LONGEST_TTL_MS),
  soft: z.boolean().default(false),
  value: priceSchema.default(null),
});

const hintsSchema = z.object({
  program: z.string().min(1).max(256),
  turn: z.number().int().min(0).default(0),
  arrivalMs: z.number().default(0),
  rank: z.number().default(0),
  bid: z.union([z.number(), z.literal('inf').transform(() => Infinity)]).default(0),
  pin: pinSchema.optional(),
  last: z.boolean().default(false),
});

const envelopeSchema = z.object({ holdfast: hintsSchema.optional() });

/** What a caller wants of the engine beside an answer. */
export interface RequestHints {
  readonly programId: string;
  readonly rank: number;
  readonly bid: number;
  readonly pin?: PinTerms;
  readonly isLast: boolean;
}

/**
 * Pure. Reads the hints of a request; undefined when there are none.
 *
 * @throws DomainError FIELD_INVALID, naming each malformed field.
 */
export const readHints = (json: string | undefined): RequestHints | undefined => {
  if (json === undefined || json === '') return undefined;
  const envelope = envelopeSchema.safeParse(parseJson(json));
  if (!envelope.success) throw violationsOf(envelope.error);
  const hints = envelope.data.holdfast;
  if (hints === undefined) return undefined;
  const { program, rank, bid, pin, last } = hints;
  return {
    programId: program,
    rank,
    bid,
    isLast: last,
    ...(pin === undefined ? {} : { pin: { ttl: millis(pin.ttlMs), soft: pin.soft, value: pin.value } }),
  };
};

const parseJson = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch (cause) {
    const shown = json.length > 80 ? `${json.slice(0, 80)}...` : json;
    const description = `is ${JSON.stringify(shown)}; allowed: a JSON object (${(cause as Error).message})`;
    throw invalidFields([{ field: FIELD, description }]);
  }
};

const violationsOf = (error: z.ZodError): DomainError =>
  invalidFields(
    error.issues.map(({ path, message }) => ({ field: [FIELD, ...path.map(String)].join('.'), description: message })),
  );

/** Pure. The answer: what the engine holds for the program now, all zero when nothing. */
export const writeHintAnswer = (pin: ModelPin | undefined, epoch: string, now: Instant): string =>
  JSON.stringify({
    holdfast: {
      pinnedBlocks: pin?.blocks ?? 0,
      pinnedTokens: pin?.tokens ?? 0,
      expiresInMs: pin === undefined ? 0 : remainingMs(pin, now),
      epoch,
    },
  });
