import { isDomainError } from '@holdfast/platform';
import { describe, expect, it } from '@jest/globals';
import { answerShape, type FormRequest } from './structured-output.js';

const free: FormRequest = {
  responseFormat: null,
  structuredOutputs: null,
  tools: [],
  mustCall: false,
  maxCalls: null,
};

const schemaOf = (request: Partial<FormRequest>): unknown => {
  const form = answerShape({ ...free, ...request })?.form;
  if (form?.$case !== 'jsonSchema') throw new Error(`expected a schema, got ${JSON.stringify(form)}`);
  return JSON.parse(form.value);
};

const run = { name: 'run', parameters: { type: 'object', properties: { command: { type: 'string' } } } };
const format = (schema: Readonly<Record<string, unknown>>): FormRequest['responseFormat'] => ({
  type: 'json_schema',
  json_schema: { name: 'answer', schema },
});

describe('answerShape', () => {
  it('is free unless something is asked for', () => {
    expect(answerShape(free)).toBeNull();
    expect(answerShape({ ...free, responseFormat: { type: 'text' }, tools: [run] })).toBeNull();
  });

  it('is what response_format says', () => {
    expect(answerShape({ ...free, responseFormat: { type: 'json_object' } })?.form).toEqual({
      $case: 'jsonObject',
      value: true,
    });
    expect(schemaOf({ responseFormat: format({ type: 'string' }) })).toEqual({ type: 'string' });
  });

  it('is a list of calls where one has to be made, at most one where no more are taken', () => {
    const items = {
      type: 'object',
      properties: { name: { enum: ['run'] }, arguments: run.parameters },
      required: ['name', 'arguments'],
      additionalProperties: false,
    };
    expect(schemaOf({ tools: [run], mustCall: true })).toEqual({ type: 'array', minItems: 1, items });
    expect(schemaOf({ tools: [run], mustCall: true, maxCalls: 1 })).toMatchObject({ maxItems: 1 });
    const two = schemaOf({ tools: [run, { name: 'noop' }], mustCall: true });
    expect(two).toMatchObject({
      items: { anyOf: [items, { properties: { name: { enum: ['noop'] }, arguments: { type: 'object' } } }] },
    });
  });

  it('leaves room for calls beside the form of the answer', () => {
    expect(schemaOf({ responseFormat: format({ type: 'string' }), tools: [run] })).toMatchObject({
      anyOf: [{ type: 'string' }, { type: 'array', minItems: 1 }],
    });
  });

  it('takes what schemas define for themselves to the root, older spellings too', () => {
    const path = { name: 'open', parameters: { properties: { at: { $ref: '#/$defs/Path' } }, $defs: { Path: {} } } };
    const old = {
      name: 'old',
      parameters: { properties: { at: { $ref: '#/definitions/Old' } }, definitions: { Old: { type: 'string' } } },
    };
    const schema = schemaOf({ tools: [path, old], mustCall: true });
    expect(schema).toMatchObject({ $defs: { Path: {}, Old: { type: 'string' } } });
    expect(JSON.stringify(schema)).toContain('"$ref":"#/$defs/Old"');
    expect(JSON.stringify((schema as { items: object }).items)).not.toContain('"$defs":{');
  });

  it.each<[string, Partial<FormRequest>, string]>([
    ['two forms', { structuredOutputs: { regex: 'a' }, responseFormat: { type: 'json_object' } }, 'structured_outputs'],
    [
      'one name for two definitions',
      {
        tools: [
          { name: 'a', parameters: { $defs: { X: { type: 'string' } } } },
          { name: 'b', parameters: { $defs: { X: { type: 'number' } } } },
        ],
        mustCall: true,
      },
      'tools',
    ],
  ])('refuses %s, naming the field', (_, request, field) => {
    expect.assertions(1);
    try {
      answerShape({ ...free, ...request });
    } catch (error) {
      expect(isDomainError(error) && error.fieldViolations[0]?.field).toBe(field);
    }
  });
});
