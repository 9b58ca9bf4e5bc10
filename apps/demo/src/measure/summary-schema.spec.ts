import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { summarise } from './summary.js';

const schemaFile = new URL('../../../../docs/schemas/holdfast.lab.summary.v1.schema.json', import.meta.url);
const validate: ValidateFunction = new Ajv2020().compile(JSON.parse(readFileSync(schemaFile, 'utf8')) as object);

const row = summarise({
  trace: 't', engine: 'h100-llama-3.1-8b', engines: 2, policy: 'continuum', load: 2.8, seed: 1, programs: 0, timeScale: 50,
  replayed: [], pins: [], preemptions: 0, kvBytesPerToken: 131_072,
}); // prettier-ignore

describe('the schema of the summary', () => {
  it('takes what the demo writes', () => {
    const isValid = validate({ schema: 'holdfast.lab.summary/v1', rows: [row] });
    expect(validate.errors ?? []).toEqual([]);
    expect(isValid).toBe(true);
  });

  it.each(Object.keys(row).filter((key) => !['timeScale', 'overheadSeconds'].includes(key)))('misses %s', (key) => {
    const rest = Object.fromEntries(Object.entries(row).filter(([name]) => name !== key));
    expect(validate({ schema: 'holdfast.lab.summary/v1', rows: [rest] })).toBe(false);
  });

  it('takes keys of later versions, but no other schema', () => {
    expect(validate({ schema: 'holdfast.lab.summary/v1', rows: [{ ...row, later: 1 }] })).toBe(true);
    expect(validate({ schema: 'holdfast.lab.summary/v2', rows: [row] })).toBe(false);
  });
});
