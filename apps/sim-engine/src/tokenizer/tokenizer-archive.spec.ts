import { createHash } from 'node:crypto';
import { Template } from '@huggingface/jinja';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { strFromU8, unzipSync } from 'fflate';
import { encodeText, specialTokens } from './byte-level-tokenizer.js';
import { tokenizerArchive } from './tokenizer-archive.js';

const archive = tokenizerArchive({ vocabularySize: 128_256, maxContextTokens: 4_096 });
const files = unzipSync(archive.bytes);
const json = (name: string): Record<string, unknown> => JSON.parse(strFromU8(files[name]!)) as Record<string, unknown>;
const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
const template = new Template(json('tokenizer_config.json')['chat_template'] as string);

describe('the tokenizer archive', () => {
  it('holds what a Hugging Face tokenizer is loaded from, and its fingerprint', () => {
    expect(Object.keys(files).sort()).toEqual(['config.json', 'tokenizer.json', 'tokenizer_config.json']);
    expect(archive.sha256).toBe(createHash('sha256').update(archive.bytes).digest('hex'));
    expect(json('config.json')).toMatchObject({
      vocab_size: 128_256,
      max_position_embeddings: 4_096,
      eos_token_id: 258,
    });
  });

  it('is the same bytes every time', () => {
    expect(tokenizerArchive({ vocabularySize: 128_256, maxContextTokens: 4_096 })).toEqual(archive);
  });

  it('encodes any text to its bytes, as the engine itself does, and back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        const { ids } = tokenizer.encode(text, { add_special_tokens: false });
        expect(ids).toEqual([...Buffer.from(text, 'utf8')]);
        expect(Uint32Array.from(ids)).toEqual(encodeText(text));
        expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe(text);
      }),
    );
  });

  it('knows the special tokens, and leaves them out of text when asked to', () => {
    const text = `a${specialTokens.join('')}b`;
    const { ids } = tokenizer.encode(text, { add_special_tokens: false });
    expect(ids).toEqual([0x61, 256, 257, 258, 0x62]);
    expect([...encodeText(text)]).toEqual(ids);
    expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe('ab');
  });
});

const tools = [{ type: 'function', function: { name: 'bash', parameters: { type: 'object' } } }];

const conversation = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'List the files.' },
  {
    role: 'assistant',
    content: 'I look.',
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'bash', arguments: { command: 'ls "a"' } } }],
  },
  { role: 'tool', tool_call_id: 'c1', content: 'README.md' },
  { role: 'assistant', content: 'README.md' },
  { role: 'user', content: 'Thanks.' },
];

const render = (messages: readonly object[], options: object = {}): string =>
  template.render({ messages: [...messages], tools: null, ...options });

describe('the chat template', () => {
  it('writes ChatML', () => {
    expect(render(conversation.slice(0, 2), { add_generation_prompt: true })).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nList the files.<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('writes tools into the system message, and tool calls and results in Hermes form', () => {
    const text = render(conversation, { tools });
    expect(text).toMatch(/^<\|im_start\|>system\nBe brief\.\n\n[^]*<tools>\n\{"type": ?"function"[^]*<\/tools>/);
    const [, call] = /I look\.\n<tool_call>\n(.*)\n<\/tool_call><\|im_end\|>/.exec(text) ?? [];
    expect(JSON.parse(call ?? '')).toEqual({ name: 'bash', arguments: { command: 'ls "a"' } });
    expect(text).toContain('<|im_start|>tool\n<tool_response>\nREADME.md\n</tool_response><|im_end|>\n');
    expect(text.match(/Be brief/g)).toHaveLength(1);
  });

  it('takes arguments that are JSON text already', () => {
    const call = { function: { name: 'bash', arguments: '{"command":"ls"}' } };
    expect(render([{ role: 'assistant', content: null, tool_calls: [call, call] }])).toBe(
      `<|im_start|>assistant\n${[
        '{"name": "bash", "arguments": {"command":"ls"}}',
        '{"name": "bash", "arguments": {"command":"ls"}}',
      ]
        .map((line) => `<tool_call>\n${line}\n</tool_call>`)
        .join('\n')}<|im_end|>\n`,
    );
  });

  it.each([[null], [tools]])(
    'only ever appends: a longer conversation begins with the shorter one (tools %#)',
    (given) => {
      for (let length = 1; length < conversation.length; length += 1) {
        const shorter = render(conversation.slice(0, length), { tools: given });
        expect(render(conversation, { tools: given }).startsWith(shorter)).toBe(true);
      }
    },
  );

  it('opens the answer so that the answer itself continues it', () => {
    const asked = render(conversation.slice(0, 2), { add_generation_prompt: true });
    const answered = render([...conversation.slice(0, 2), { role: 'assistant', content: 'README.md' }]);
    expect(answered.startsWith(`${asked}README.md`)).toBe(true);
  });
});
