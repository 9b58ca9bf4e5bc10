/**
 * The form that an answer is held to: `response_format`, `structured_outputs` of vLLM's own front end, and tool calls
 * that have to be made. All become one grammar in the engine; calls are JSON, as vLLM's front end has them written, too.
 */
import type { program as wire } from '@holdfast/contracts';
import { invalidFields } from '@holdfast/platform';
import { z } from 'zod';

type JsonSchema = Readonly<Record<string, unknown>>;

const jsonSchema = z.record(z.string(), z.unknown(), 'a JSON schema: an object');

/** `response_format`. */
export const responseFormat = z
  .discriminatedUnion(
    'type',
    [
      z.object({ type: z.literal('text') }),
      z.object({ type: z.literal('json_object') }),
      z.object({
        type: z.literal('json_schema'),
        json_schema: z.object({
          name: z.string('a string').max(64, 'up to 64 characters').nullish(),
          schema: jsonSchema,
        }),
      }),
    ],
    'an object of type text, json_object or json_schema',
  )
  .nullish();

/** `structured_outputs`. */
export const structuredOutputs = z
  .union(
    [
      z.strictObject({ json: z.union([jsonSchema, z.string()]) }),
      z.strictObject({ json_object: z.literal(true) }),
      z.strictObject({ regex: z.string() }),
      z.strictObject({ grammar: z.string() }),
      z.strictObject({ choice: z.array(z.string()).min(1) }),
    ],
    'an object with one of json, json_object, regex, grammar, choice',
  )
  .nullish();

/** A function that may be called. */
export interface CallableTool {
  readonly name: string;
  /** JSON schema of its arguments. */
  readonly parameters?: JsonSchema;
}

/** What a request says of its answer's form. */
export interface FormRequest {
  readonly responseFormat: z.output<typeof responseFormat>;
  readonly structuredOutputs: z.output<typeof structuredOutputs>;
  /** Tools that may be called; with `mustCall` one of them has to be. */
  readonly tools: readonly CallableTool[];
  readonly mustCall: boolean;
  readonly maxCalls: number | null;
}

/** A form, and the field of the request that asks for it. */
export interface AnswerShape {
  readonly field: 'tool_choice' | 'response_format' | 'structured_outputs';
  readonly form: NonNullable<wire.Sampling['structuredOutput']>;
}

/**
 * Pure. Null for an answer of any form.
 *
 * @throws DomainError FIELD_INVALID for forms that exclude each other.
 */
export const answerShape = (request: FormRequest): AnswerShape | null => {
  const { structuredOutputs: own, mustCall } = request;
  const format = formatShape(request);
  const other = mustCall ? 'tool_choice' : format?.field;
  if (own && other !== undefined) {
    throw invalidFields([{ field: 'structured_outputs', description: `comes with ${other}; allowed: one of them` }]);
  }
  if (mustCall) return { field: 'tool_choice', form: schemaForm(callsSchema(request)) };
  if (own) return { field: 'structured_outputs', form: ownForm(own) };
  return format;
};

const formatShape = (request: FormRequest): AnswerShape | null => {
  const { responseFormat: format, tools } = request;
  if (!format || format.type === 'text') return null;
  const schema = format.type === 'json_schema' ? format.json_schema.schema : { type: 'object' };
  // Without the calls' own form among the answers' no tool could be called at all.
  if (tools.length > 0) return { field: 'response_format', form: schemaForm(anyOf([schema, callsSchema(request)])) };
  if (format.type === 'json_object') return { field: 'response_format', form: { $case: 'jsonObject', value: true } };
  return { field: 'response_format', form: schemaForm(schema) };
};

const schemaForm = (schema: JsonSchema): AnswerShape['form'] => ({
  $case: 'jsonSchema',
  value: JSON.stringify(schema),
});

const ownForm = (own: NonNullable<FormRequest['structuredOutputs']>): AnswerShape['form'] => {
  if ('json' in own) {
    return { $case: 'jsonSchema', value: typeof own.json === 'string' ? own.json : JSON.stringify(own.json) };
  }
  if ('json_object' in own) return { $case: 'jsonObject', value: true };
  if ('regex' in own) return { $case: 'regex', value: own.regex };
  if ('grammar' in own) return { $case: 'grammar', value: own.grammar };
  return { $case: 'choice', value: { choices: own.choice } };
};

/** A list of calls, as they are read out of an answer that is JSON as a whole. */
const callsSchema = ({ tools, maxCalls }: FormRequest): JsonSchema => {
  const { $defs, ...items } = anyOf(
    tools.map(({ name, parameters }) => {
      const { $defs: defs, ...own } = lifted(parameters ?? { type: 'object' });
      const properties = { name: { enum: [name] }, arguments: own };
      const call = { type: 'object', properties, required: ['name', 'arguments'], additionalProperties: false };
      return defs === undefined ? call : { ...call, $defs: defs };
    }),
  );
  const list = { type: 'array', minItems: 1, ...(maxCalls === null ? {} : { maxItems: maxCalls }), items };
  return $defs === undefined ? list : { ...list, $defs };
};

/** One of several schemas. What they define for themselves goes to the root, where their references look for it. */
const anyOf = (schemas: readonly JsonSchema[]): JsonSchema => {
  const parts = schemas.map(lifted);
  const defs = new Map<string, unknown>();
  for (const { $defs } of parts) {
    for (const [name, definition] of Object.entries(($defs ?? {}) as JsonSchema)) {
      const known = defs.get(name);
      if (known !== undefined && JSON.stringify(known) !== JSON.stringify(definition)) throw definedTwice(name);
      defs.set(name, definition);
    }
  }
  const bare = parts.map(({ $defs: _, ...part }) => part);
  const whole = bare.length === 1 ? (bare[0] ?? {}) : { anyOf: bare };
  return defs.size === 0 ? whole : { ...whole, $defs: Object.fromEntries(defs) };
};

/** The same schema with its older `definitions` among its `$defs`. */
const lifted = ({ definitions, ...schema }: JsonSchema): JsonSchema => {
  if (definitions === undefined) return schema;
  const text = JSON.stringify(schema).replaceAll('"#/definitions/', '"#/$defs/');
  const moved = JSON.parse(text) as JsonSchema;
  const defs = JSON.parse(JSON.stringify(definitions).replaceAll('"#/definitions/', '"#/$defs/')) as JsonSchema;
  return { ...moved, $defs: { ...(moved['$defs'] as JsonSchema | undefined), ...defs } };
};

const definedTwice = (name: string): Error => {
  const description = `defines ${JSON.stringify(name)} in two ways under $defs; allowed: one definition a name`;
  return invalidFields([{ field: 'tools', description }]);
};
