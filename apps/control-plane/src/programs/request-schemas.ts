/**
 * What requests must look like, field by field. Token ids are not checked here: they are many, and what is allowed
 * depends on the model.
 */
import { durationFromProto, type program as wire } from '@holdfast/contracts';
import { invalidFields, type DomainError } from '@holdfast/platform';
import { z } from 'zod';
import { plainText, text } from './plain-text.js';

const requestId = text(1, 128);
/** After the tenant, which the edge has put before it. */
const programId = z
  .string()
  .regex(/^(?:[a-z0-9-]{1,63}~)?[A-Za-z0-9._:-]{1,128}$/, '1 to 128 characters of A-Z a-z 0-9 . _ : -');
const int32 = z.int32('a 32-bit integer');

const number = (bounds: { readonly above?: number; readonly min?: number; readonly max: number }): z.ZodNumber => {
  const { above, min, max } = bounds;
  const allowed = above === undefined ? `${min} to ${max}` : `above ${above}, up to ${max}`;
  const atMost = z.number(allowed).max(max, allowed);
  return above === undefined ? atMost.min(min ?? 0, allowed) : atMost.gt(above, allowed);
};

const year = 366 * 86_400;

const duration = z.custom<NonNullable<wire.StartProgramRequest['idleLimit']>>().refine((value) => {
  const inRange = Math.abs(Number(value.seconds)) <= year && Math.abs(value.nanos) < 1e9;
  return inRange && durationFromProto(value) > 0;
}, 'above 0 s, up to 366 days');

const uint32 = number({ min: 0, max: 2 ** 32 - 1 });

const isJsonObject = (value: string): boolean => {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  } catch {
    // What does not parse is not JSON: the caller is told so.
    return false;
  }
};

const constraint = text(1, 65_536);

const structuredOutput = z.discriminatedUnion('$case', [
  z.object({ $case: z.literal('jsonSchema'), value: constraint.refine(isJsonObject, 'a JSON schema: an object') }),
  z.object({ $case: z.literal('jsonObject'), value: z.literal(true, 'true, or another form') }),
  z.object({ $case: z.enum(['regex', 'grammar']), value: constraint }),
  z.object({
    $case: z.literal('choice'),
    value: z.object({ choices: z.array(text(1, 1_024)).min(1, '1 to 256 texts').max(256, '1 to 256 texts') }),
  }),
]);

const sampling = z.object({
  maxTokens: number({ min: 1, max: 2 ** 31 - 1 }).optional(),
  minTokens: number({ min: 0, max: 2 ** 31 - 1 }).optional(),
  temperature: number({ min: 0, max: 2 }).optional(),
  topP: number({ above: 0, max: 1 }).optional(),
  topK: number({ min: 0, max: 2 ** 31 - 1 }).optional(),
  seed: int32.optional(),
  stop: z.array(text(1, 256)).max(16, 'at most 16 strings'),
  presencePenalty: number({ min: -2, max: 2 }).optional(),
  frequencyPenalty: number({ min: -2, max: 2 }).optional(),
  repetitionPenalty: number({ above: 0, max: 10 }).optional(),
  minP: number({ min: 0, max: 1 }).optional(),
  stopTokenIds: z.array(uint32).max(16, 'at most 16 token ids'),
  logitBias: z
    .array(z.object({ tokenId: uint32, bias: number({ min: -100, max: 100 }) }))
    .max(1_024, 'at most 1,024 tokens'),
  logprobs: number({ min: 0, max: 20 }).optional(),
  structuredOutput: structuredOutput.optional(),
});

const toolCallText = z.object({
  toolCallId: text(0, 128),
  tool: text(1, 128),
  argumentsJson: z.string(),
});

const message = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool'], 'system, user, assistant or tool'),
  content: z.string(),
  toolCalls: z.array(toolCallText),
  toolCallId: text(0, 128),
});

const isJsonArray = (value: string): boolean => {
  if (value === '') return true;
  try {
    return Array.isArray(JSON.parse(value));
  } catch {
    // What does not parse is not JSON: the caller is told so.
    return false;
  }
};

const conversation = z.object({
  messages: z.array(message).min(1, 'at least one message'),
  toolsJson: z.string().refine(isJsonArray, 'a JSON array, or empty'),
});

const chunk = z.object({
  id: plainText(1, 256),
  text: z.string().min(1, 'at least 1 character'),
  source: plainText(1, 256),
  sourceVersion: plainText(0, 128),
});

const tokenIds = z.object({ $case: z.enum(['append', 'prompt']), value: z.unknown() });
const inputAllowed = 'one of append, prompt, append_messages, conversation';

type RequestName =
  | 'startProgram'
  | 'runTurn'
  | 'structuredOutput'
  | 'beginToolCall'
  | 'endToolCall'
  | 'endProgram'
  | 'getProgram'
  | 'watchProgram'
  | 'listPrograms';

/** One schema a request. */
export const requestSchemas: Readonly<Record<RequestName, z.ZodType>> = {
  startProgram: z.object({
    requestId,
    programId: z.union([z.literal(''), programId], 'empty, or 1 to 128 characters of A-Z a-z 0-9 . _ : -'),
    name: text(0, 200),
    model: text(0, 256),
    programClass: text(0, 100),
    parentProgramId: z.union([z.literal(''), programId], 'empty, or 1 to 128 characters of A-Z a-z 0-9 . _ : -'),
    expectedTurns: number({ min: 1, max: 2 ** 31 - 1 }).optional(),
    expectedTokens: z
      .bigint()
      .max(2n ** 53n - 1n, 'up to 2^53 - 1')
      .optional(),
    idleLimit: duration.optional(),
  }),
  runTurn: z
    .object({
      requestId,
      programId,
      input: z.discriminatedUnion(
        '$case',
        [
          tokenIds,
          z.object({ $case: z.literal('appendMessages'), value: conversation }),
          z.object({ $case: z.literal('conversation'), value: conversation }),
        ],
        inputAllowed,
      ),
      sampling: sampling.optional(),
      chunks: z.array(chunk).max(256, 'at most 256 chunks'),
    })
    .refine(
      ({ input, chunks }) => chunks.length === 0 || input.$case === 'appendMessages' || input.$case === 'conversation',
      { path: ['chunks'], message: 'chunks with append_messages or conversation only' },
    ),
  /** A part of `runTurn`. */
  structuredOutput: z.object({ structuredOutput: structuredOutput.optional() }),
  beginToolCall: z.object({
    requestId,
    programId,
    toolCallId: text(1, 128),
    tool: text(1, 100),
    command: text(0, 4_096),
    timeout: duration.optional(),
  }),
  endToolCall: z.object({
    requestId,
    programId,
    toolCallId: text(1, 128),
    outcome: number({ min: 0, max: 3 }),
  }),
  endProgram: z.object({
    requestId,
    programId,
    outcome: number({ min: 0, max: 2 }),
    message: text(0, 1_000),
  }),
  getProgram: z.object({ programId }),
  watchProgram: z.object({ programId }),
  listPrograms: z.object({
    pageSize: number({ min: 0, max: 500 }),
    pageToken: text(0, 512),
    states: z.array(number({ min: 1, max: 7 })).max(7, 'at most 7 states'),
  }),
};

/**
 * Pure. Checks a request and lists all that is wrong with it at once.
 *
 * @throws DomainError FIELD_INVALID with a violation for each field.
 */
export const checkRequest = (schema: z.ZodType, request: object): void => {
  const result = schema.safeParse(request);
  if (!result.success) throw violations(result.error, request);
};

const violations = (error: z.ZodError, request: object): DomainError =>
  invalidFields(
    error.issues.map((issue) => ({
      field: fieldName(issue.path),
      description: `is ${shown(valueAt(request, issue.path))}; allowed: ${issue.message}`,
    })),
  );

/** The path as the proto spells it: `sampling.top_p`, `append_messages.messages[2].role`. */
const fieldName = (path: readonly PropertyKey[]): string => {
  const steps = path.filter((step) => step !== '$case');
  const spelled = steps.map((step) =>
    typeof step === 'number'
      ? `[${step}]`
      : `.${String(step).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
  );
  return spelled.join('').replace(/^\./, '').replace('.value', '') || '(request)';
};

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((at: unknown, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], value);

const maxShown = 80;

const shown = (value: unknown): string => {
  if (value === undefined) return 'not set';
  const json = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? item.toString() : item));
  return json.length > maxShown ? `${json.slice(0, maxShown)}... (${json.length} characters)` : json;
};
