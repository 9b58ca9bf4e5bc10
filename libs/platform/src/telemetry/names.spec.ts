import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { attributes, spans } from './names.js';

const page = readFileSync(new URL('../../../../docs/tracing.md', import.meta.url), 'utf8');

/** What the page puts in code, without the tree: those are names of services and spans together. */
const named = [...page.replaceAll(/```[^]*?```/g, '').matchAll(/`([\w.*]+)`/g)].map(([, name = '']) => name);

/** Names of the SDK's own spans, and groups. */
const besides = ['holdfast.tool', 'holdfast.*', 'holdfast.program.v1.*', 'gen_ai.usage.*'];

describe('docs/tracing.md', () => {
  it('has every span, event and attribute of the service', () => {
    const names = [...Object.values(spans), ...Object.values(attributes)];
    expect(names.filter((name) => !named.includes(name))).toEqual([]);
  });

  it('names no other', () => {
    const known = new Set<string>([...Object.values(spans), ...Object.values(attributes), ...besides]);
    expect(named.filter((name) => /^(holdfast|gen_ai|rpc|error)\./.test(name) && !known.has(name))).toEqual([]);
  });
});
