/** What requests of the OpenAI form must look like. Fields that change no answer are taken and ignored. */
import { invalidFields } from '@holdfast/platform';
import { z } from 'zod';

const textPart = z.object({ type: z.literal('text', 'text'), text: z.string('a string') });
const content = z.union([z.string(), z.array(textPart)], 'a string, or an array of parts of type text');
const toolCall = z.object({
  id: z.string('a string'),
  type: z.literal('function', 'function').default('function'),
  function: z.object({ name: z.string('a string').min(1, '1 to 128 characters').max(128), arguments: z.string() }),
});

const message = z.discriminatedUnion(
  'role',
  [
    z.object({ role: z.enum(['system', 'developer', 'user']), content }),
    z.object({
      role: z.literal('assistant'),
      content: content.nullish(),
      tool_calls: z.array(toolCall).nullish(),
    }),
    z.object({ role: z.literal('tool'), content, tool_call_id: z.string('a string').min(1, 'at least 1 character') }),
  ],
  'a message of role system, developer, user, assistant or tool',
);

const tool = z.object({
  type: z.literal('function', 'function'),
  function: z.looseObject({ name: z.string('a string').min(1, '1 to 128 characters').max(128, '1 to 128 characters') }),
});

const only = <Value extends string | number | boolean>(
  value: Value,
  why: string,
): z.ZodType<Value | null | undefined> =>
  z.literal(value, why).nullish() as unknown as z.ZodType<Value | null | undefined>;

const tokens = z.int('an integer of at least 1').min(1, 'an integer of at least 1');
const within = (min: number, max: number): z.ZodNumber =>
  z.number(`${min} to ${max}`).min(min, `${min} to ${max}`).max(max, `${min} to ${max}`);

const noPenalty = 'absent or 0 (the engine protocol carries no penalties)';
const noLogprobs = 'absent or false (engines give no log probabilities over this service)';

const common = {
  model: z.string('a string').min(1, 'the name of a model of GET /v1/models'),
  stream: z.boolean('true or false').nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean('true or false').nullish() }).nullish(),
  max_tokens: tokens.nullish(),
  temperature: within(0, 2).nullish(),
  top_p: z.number('above 0, up to 1').gt(0, 'above 0, up to 1').max(1, 'above 0, up to 1').nullish(),
  seed: z.int32('a 32-bit integer').nullish(),
  stop: z
    .union([z.string(), z.array(z.string()).max(16)], 'a string, or up to 16 of them')
    .nullish()
    .transform((stop) => (typeof stop === 'string' ? [stop] : (stop ?? []))),
  n: only(1, 'absent or 1: one answer a request'),
  frequency_penalty: only(0, noPenalty),
  presence_penalty: only(0, noPenalty),
  logit_bias: z.strictObject({}, 'absent or empty (engines take no bias over this service)').nullish(),
  // Of vLLM's own front end.
  top_k: z.int('an integer of at least 0').min(0, 'an integer of at least 0').nullish(),
  min_tokens: z.int('an integer of at least 0').min(0, 'an integer of at least 0').nullish(),
  ignore_eos: z.boolean('true or false').nullish(),
};

const chatSchema = z.object({
  ...common,
  messages: z.array(message, 'an array of messages').min(1, 'at least one message'),
  max_completion_tokens: tokens.nullish(),
  tools: z.array(tool, 'an array of tools').max(512, 'at most 512 tools').nullish(),
  tool_choice: z
    .enum(['auto', 'none'], 'absent, auto or none (engines cannot be made to call a tool over this service)')
    .nullish(),
  response_format: z
    .object({ type: z.literal('text', 'text (structured output is not carried to the engines)') }, 'an object')
    .nullish(),
  logprobs: only(false, noLogprobs),
  functions: z.undefined('absent (deprecated; send tools instead)').optional(),
  function_call: z.undefined('absent (deprecated; send tool_choice instead)').optional(),
});

const completionSchema = z.object({
  ...common,
  prompt: z
    .union(
      [
        z.string(),
        z.array(z.string()).length(1),
        z
          .array(
            z
              .int()
              .min(0)
              .max(2 ** 32 - 1),
          )
          .min(1),
      ],
      'a string, an array of one string, or an array of token ids',
    )
    .transform((prompt): string | readonly number[] => {
      if (typeof prompt === 'string') return prompt;
      const [first] = prompt;
      return typeof first === 'string' ? first : prompt.map(Number);
    }),
  best_of: only(1, 'absent or 1'),
  echo: only(false, 'absent or false'),
  logprobs: z.null(noLogprobs).optional(),
  suffix: z.union([z.null(), z.literal('')], 'absent or empty').optional(),
});

/** A request of `POST /v1/chat/completions`. */
export type ChatRequest = z.output<typeof chatSchema>;
/** A request of `POST /v1/completions`. */
export type CompletionRequest = z.output<typeof completionSchema>;
/** What both have. */
export type CommonRequest = Pick<ChatRequest, keyof typeof common>;

/** Pure. @throws DomainError FIELD_INVALID that names each field. */
export const parseChatRequest = (body: unknown): ChatRequest => parse(chatSchema, body);

/** Pure. @throws DomainError FIELD_INVALID that names each field. */
export const parseCompletionRequest = (body: unknown): CompletionRequest => parse(completionSchema, body);

const parse = <Output>(schema: z.ZodType<Output>, body: unknown): Output => {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw invalidFields(
    result.error.issues.map(({ path, message: allowed }) => ({
      field:
        path
          .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
          .join('')
          .slice(typeof path[0] === 'number' ? 0 : 1) || '(body)',
      description: `allowed: ${allowed}`,
    })),
  );
};
