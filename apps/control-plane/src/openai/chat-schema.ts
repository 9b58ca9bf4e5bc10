/**
 * What requests of the OpenAI form must look like. Fields that change no answer are taken and ignored. Whatever passes
 * makes a turn that RunTurn's own schema takes (programs/request-schemas.ts), but for the form of the answer.
 */
import { invalidFields } from '@holdfast/platform';
import Schema from 'typebox/schema';
import { z } from 'zod';
import { text } from '../programs/plain-text.js';
import { holdfastMember } from './request-chunks.js';
import { responseFormat, structuredOutputs } from './structured-output.js';

const textPart = z.object({ type: z.literal('text', 'text'), text: z.string('a string') });
const content = z.union([z.string(), z.array(textPart)], 'a string, or an array of parts of type text');
const toolCall = z.object({
  id: text(0, 128),
  type: z.literal('function', 'function').default('function'),
  function: z.object({ name: text(1, 128), arguments: z.string() }),
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
    z.object({ role: z.literal('tool'), content, tool_call_id: text(1, 128) }),
  ],
  'a message of role system, developer, user, assistant or tool',
);

const tool = z.object({
  type: z.literal('function', 'function'),
  function: z.looseObject({
    name: text(1, 128),
    parameters: z.record(z.string(), z.unknown(), 'a JSON schema: an object').nullish(),
  }),
});

const only = <Value extends string | number | boolean>(
  value: Value,
  why: string,
): z.ZodType<Value | null | undefined> =>
  z.literal(value, why).nullish() as unknown as z.ZodType<Value | null | undefined>;

const MOST = 2 ** 31 - 1;
const integerFrom = (min: number, max = MOST): z.ZodInt => {
  const allowed = `an integer from ${min} to ${max}`;
  return z.int(allowed).min(min, allowed).max(max, allowed);
};
const tokens = integerFrom(1);
const tokenId = integerFrom(0, 2 ** 32 - 1);
const within = (min: number, max: number): z.ZodNumber =>
  z.number(`${min} to ${max}`).min(min, `${min} to ${max}`).max(max, `${min} to ${max}`);

const isTokenId = (key: string): boolean => /^\d{1,10}$/.test(key) && Number(key) < 2 ** 32;

/** Keys are token ids. */
const logitBias = z
  .record(z.string().refine(isTokenId, 'token ids as keys'), within(-100, 100), 'an object of token ids and biases')
  .refine((bias) => Object.keys(bias).length <= 1_024, 'at most 1,024 tokens');

const stopText = text(1, 256);

const candidates = z.int('0 to 20').min(0, '0 to 20').max(20, '0 to 20');

const common = {
  model: z.string('a string').min(1, 'the name of a model of GET /v1/models'),
  stream: z.boolean('true or false').nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean('true or false').nullish() }).nullish(),
  max_tokens: tokens.nullish(),
  temperature: within(0, 2).nullish(),
  top_p: z.number('above 0, up to 1').gt(0, 'above 0, up to 1').max(1, 'above 0, up to 1').nullish(),
  seed: z.int32('a 32-bit integer').nullish(),
  stop: z
    .union([stopText, z.array(stopText).max(16)], 'a string of 1 to 256 characters, or up to 16 of them')
    .nullish()
    .transform((stop) => (typeof stop === 'string' ? [stop] : (stop ?? []))),
  n: only(1, 'absent or 1: one answer a request'),
  frequency_penalty: within(-2, 2).nullish(),
  presence_penalty: within(-2, 2).nullish(),
  logit_bias: logitBias.nullish(),
  response_format: responseFormat,
  // Of vLLM's own front end.
  top_k: integerFrom(0).nullish(),
  min_tokens: integerFrom(0).nullish(),
  ignore_eos: z.boolean('true or false').nullish(),
  min_p: within(0, 1).nullish(),
  repetition_penalty: z.number('above 0, up to 10').gt(0, 'above 0, up to 10').max(10, 'above 0, up to 10').nullish(),
  stop_token_ids: z.array(tokenId, 'an array of token ids').max(16, 'at most 16 token ids').nullish(),
  structured_outputs: structuredOutputs,
};

const toolChoice = z.union(
  [
    z.enum(['auto', 'none', 'required']),
    z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
  ],
  'auto, none, required, or {type: "function", function: {name}}',
);

const chat = {
  messages: z.array(message, 'an array of messages').min(1, 'at least one message'),
  max_completion_tokens: tokens.nullish(),
  tools: z.array(tool, 'an array of tools').max(512, 'at most 512 tools').nullish(),
  parallel_tool_calls: z.boolean('true or false').nullish(),
};

const chatSchema = z
  .object({
    ...common,
    ...chat,
    tool_choice: toolChoice.nullish(),
    logprobs: z.boolean('true or false').nullish(),
    top_logprobs: candidates.nullish(),
    holdfast: holdfastMember,
    functions: z.undefined('absent (deprecated; send tools instead)').optional(),
    function_call: z.undefined('absent (deprecated; send tool_choice instead)').optional(),
  })
  .refine(({ logprobs, top_logprobs: top }) => logprobs === true || (top ?? 0) === 0, {
    path: ['top_logprobs'],
    message: 'absent, or with logprobs: true',
  })
  .refine(({ tool_choice: choice, tools }) => typeof choice !== 'object' || choice === null || isNamed(choice, tools), {
    path: ['tool_choice'],
    message: 'the name of one of the tools',
  })
  .refine(({ tool_choice: choice, tools }) => choice !== 'required' || (tools ?? []).length > 0, {
    path: ['tool_choice'],
    message: 'required with at least one tool',
  });

const isNamed = (
  choice: { readonly function: { readonly name: string } },
  tools: readonly { readonly function: { readonly name: string } }[] | null | undefined,
): boolean => (tools ?? []).some((one) => one.function.name === choice.function.name);

const completionSchema = z.object({
  ...common,
  prompt: z
    .union(
      [z.string(), z.array(z.string()).length(1), z.array(tokenId).min(1)],
      'a string, an array of one string, or an array of token ids',
    )
    .transform((prompt): string | readonly number[] => {
      if (typeof prompt === 'string') return prompt;
      const [first] = prompt;
      return typeof first === 'string' ? first : prompt.map(Number);
    }),
  best_of: only(1, 'absent or 1'),
  echo: only(false, 'absent or false'),
  logprobs: candidates.nullish(),
  suffix: z.union([z.null(), z.literal('')], 'absent or empty').optional(),
  holdfast: z.undefined('absent: chunks stand among messages').optional(),
});

/** A request of `POST /v1/chat/completions`. */
export type ChatRequest = z.output<typeof chatSchema>;
/** A request of `POST /v1/completions`. */
export type CompletionRequest = z.output<typeof completionSchema>;
/** What both have. */
export type CommonRequest = Pick<ChatRequest, keyof typeof common>;

const { model, stream, stream_options, max_tokens, temperature, top_p, seed } = common;

/**
 * Most requests: these fields alone, which need no further rule and are taken as they stand. In a service that did other things
 * since the last request, the schema's many small functions have left the processor's caches; one expression, made of the
 * schema beforehand, has little to fetch (ADR 0010).
 */
const plainChat = Schema.Compile(
  z.toJSONSchema(
    z.strictObject({
      ...{ model, stream, stream_options, max_tokens, temperature, top_p, seed, ...chat },
      messages: z.array(z.union(message.options)).min(1),
    }),
    { io: 'input' },
  ),
);

const isPlainChat = (body: unknown): body is Omit<ChatRequest, 'stop'> => plainChat.Check(body);

/** Pure. @throws DomainError FIELD_INVALID that names each field. */
export const parseChatRequest = (body: unknown): ChatRequest =>
  isPlainChat(body) ? { ...body, stop: [] } : checkedChatRequest(body);

/** Pure. As `parseChatRequest`, whatever the request has. */
export const checkedChatRequest = (body: unknown): ChatRequest => parse(chatSchema, body);

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
