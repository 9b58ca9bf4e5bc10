import { Template } from '@huggingface/jinja';
import { describe, expect, it } from '@jest/globals';
import { encodeText } from '../tokenizer/byte-level-tokenizer.js';
import { chatTemplate } from '../tokenizer/chat-template.js';
import { toolCallAnswer } from './tool-call-answer.js';

const template = new Template(chatTemplate);

const toolOf = (name: string, properties: object): object => ({
  type: 'function',
  function: { name, description: `<tools> of ${name}`, parameters: { type: 'object', properties } },
});

const run = toolOf('run', { command: { type: 'string' }, lines: { type: 'integer' }, how: { enum: ['fast', 'slow'] } });
const read = toolOf('read', { paths: { type: 'array', items: { type: 'string' } }, all: { type: 'boolean' } });

const say = (role: string, content: string): object => ({ role, content });
const asked = [say('system', 'be brief'), say('user', 'fix it')];

const callAfter = (messages: readonly object[], tools: readonly object[], callsPerTask = 2): unknown => {
  const prompt = template.render({ messages: [...messages], tools: [...tools], add_generation_prompt: true });
  const ids = toolCallAnswer({ promptIds: encodeText(prompt), callsPerTask, seed: 3 });
  if (ids === undefined) return undefined;
  const [, json] = /^<tool_call>\n(.*)\n<\/tool_call>$/.exec(Buffer.from(ids).toString('utf8')) ?? [];
  return JSON.parse(json ?? '');
};

describe('toolCallAnswer', () => {
  it("calls a tool of the prompt with arguments of the schema's types", () => {
    expect(callAfter(asked, [run])).toEqual({
      name: 'run',
      arguments: { command: expect.stringMatching(/^\w+ \w+ \w+$/), lines: expect.any(Number), how: 'fast' },
    });
    expect(callAfter(asked, [read])).toEqual({
      name: 'read',
      arguments: { paths: [expect.any(String)], all: true },
    });
  });

  it('calls as often as it is told for each message of the user, then answers in words', () => {
    const once = [...asked, say('assistant', 'call'), say('tool', 'out')];
    const twice = [...once, say('assistant', 'call'), say('tool', 'out')];
    const next = [...twice, say('assistant', 'done'), say('user', 'and now?')];
    const areCalls = [asked, once, twice, next].map((messages) => callAfter(messages, [run, read]) !== undefined);
    expect(areCalls).toEqual([true, true, false, true]);
  });

  it('calls nothing when it is not told to, or when the prompt names no tool', () => {
    expect(callAfter(asked, [run], 0)).toBeUndefined();
    expect(callAfter(asked, [])).toBeUndefined();
    expect(toolCallAnswer({ promptIds: Uint32Array.of(1, 2, 3), callsPerTask: 1, seed: 1 })).toBeUndefined();
  });

  it('calls the same for the same prompt', () => {
    expect(callAfter(asked, [run, read])).toEqual(callAfter(asked, [run, read]));
  });
});
