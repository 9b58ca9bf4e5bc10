import { describe, expect, it } from '@jest/globals';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { fakeTokenizerArchive } from '../fake/fake-tokenizer.js';
import type { ChatMessage } from './chat-message.js';
import { loadTextCodec } from './text-codec.js';

/** The archive of the fake engine with some files changed; undefined takes a file out. */
const archiveWith = (changes: Record<string, string | undefined>, folder = ''): Uint8Array => {
  const files = new Map(
    Object.entries(unzipSync(fakeTokenizerArchive())).map(([name, bytes]) => [name, strFromU8(bytes)]),
  );
  for (const [name, text] of Object.entries(changes)) {
    if (text === undefined) files.delete(name);
    else files.set(name, text);
  }
  return zipSync(Object.fromEntries([...files].map(([name, text]) => [folder + name, strToU8(text)])));
};

const codec = loadTextCodec(fakeTokenizerArchive());
const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });

describe('loadTextCodec', () => {
  it('finds the files in whatever folder they lie', () => {
    expect(loadTextCodec(archiveWith({}, 'model/')).decode([104, 105])).toBe('hi');
  });

  it('takes the template from tokenizer_config.json, single or named', () => {
    const template = "{{ messages[0].content + '!' }}";
    const render = (chatTemplate: unknown): string => {
      const changes = {
        'chat_template.jinja': undefined,
        'tokenizer_config.json': JSON.stringify({ chat_template: chatTemplate }),
      };
      return loadTextCodec(archiveWith(changes)).renderMessages([user('hi')], [], { addGenerationPrompt: false });
    };
    expect(render(template)).toBe('hi!');
    expect(
      render([
        { name: 'rag', template: '' },
        { name: 'default', template },
      ]),
    ).toBe('hi!');
  });

  it.each([
    ['bytes that are no zip', Uint8Array.of(1, 2, 3), /3 bytes are no zip/],
    ['an archive without a tokenizer', archiveWith({ 'tokenizer.json': undefined }), /no tokenizer.json/],
    ['a tokenizer that is no JSON', archiveWith({ 'tokenizer.json': '{' }), /tokenizer.json is no JSON/],
    [
      'a tokenizer of another kind',
      archiveWith({ 'tokenizer.json': '{"model":{"type":"Nonsense"}}' }),
      /no tokenizer can be built/,
    ],
    ['a template with an error', archiveWith({ 'chat_template.jinja': '{% if %}' }), /chat template has an error/],
  ])('refuses %s', (_name, archive, message) => {
    expect(() => loadTextCodec(archive)).toThrow(message);
  });
});

describe('renderMessages', () => {
  it('renders tools, messages and the opening of the answer', () => {
    const tools = [{ type: 'function', function: { name: 'bash' } }];
    const text = codec.renderMessages([user('hi')], tools, { addGenerationPrompt: true });
    expect(text).toMatch(/^<\|im_start\|>system\nTools: \[.*"bash".*\]<\|im_end\|>\n/);
    expect(text.endsWith('<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n')).toBe(true);
  });

  it('shows tool calls under the names that templates know, arguments as an object', () => {
    const template = '{{ messages[0].tool_calls[0].function.arguments.path }}:{{ messages[1].tool_call_id }}';
    const call = { toolCallId: 'c1', tool: 'read', argumentsJson: '{"path":"/etc"}' };
    const messages: ChatMessage[] = [
      { role: 'assistant', content: '', toolCalls: [call] },
      { role: 'tool', content: 'x', toolCallId: 'c1' },
    ];
    const other = loadTextCodec(archiveWith({ 'chat_template.jinja': template }));
    expect(other.renderMessages(messages, [], { addGenerationPrompt: false })).toBe('/etc:c1');
  });

  it('says why when the template refuses the messages', () => {
    const other = loadTextCodec(
      archiveWith({ 'chat_template.jinja': "{{ raise_exception('roles must alternate') }}" }),
    );
    expect(() => other.renderMessages([user('hi')], [], { addGenerationPrompt: false })).toThrow(
      /refuses.*roles must alternate/,
    );
  });

  it('says what to do when the model has no template', () => {
    const other = loadTextCodec(archiveWith({ 'chat_template.jinja': undefined }));
    expect(() => other.renderMessages([user('hi')], [], { addGenerationPrompt: false })).toThrow(
      /no chat template; send token ids/,
    );
  });
});

describe('decode', () => {
  it('leaves special tokens out', () => {
    expect(codec.decode([104, 258, 105, 256])).toBe('hi');
  });

  it('keeps characters that end in a special token apart', () => {
    const [first, second] = Buffer.from('é');
    expect(codec.decode([first as number, 258, second as number])).toBe('\uFFFD\uFFFD');
  });
});

describe('decodeStream of a tokenizer that is not byte-level', () => {
  const tokens = ['<unk>', '▁Hello', '▁world', '!', '<0xC3>', '<0xA9>', '▁'];
  const other = loadTextCodec(
    archiveWith({
      'tokenizer.json': JSON.stringify({
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
        decoder: {
          type: 'Sequence',
          decoders: [
            { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
            { type: 'ByteFallback' },
            { type: 'Fuse' },
            { type: 'Strip', content: ' ', start: 1, stop: 0 },
          ],
        },
        model: {
          type: 'BPE',
          vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
          merges: [],
          byte_fallback: true,
        },
      }),
    }),
  );

  it('emits words with their spaces and waits for the rest of a character', () => {
    const stream = other.decodeStream();
    expect([1, 2, 4, 5, 3].map((id) => stream.push([id]))).toEqual(['Hello', ' world', '', 'é', '!']);
    expect(stream.flush()).toBe('');
  });

  it('gives an incomplete character up at the end', () => {
    const stream = other.decodeStream();
    expect(stream.push([1, 4]) + stream.flush()).toBe('Hello\uFFFD');
  });
});

describe('appendMessages', () => {
  const asked = [user('What is up?')];
  const prompt = codec.renderMessages(asked, [], { addGenerationPrompt: true });
  const text = (ids: Uint32Array): string =>
    codec.decode([...ids].flatMap((id) => (id > 255 ? [...Buffer.from(`[${id}]`)] : [id])));

  it('keeps the tokens of the model although they are not those that its text encodes to', () => {
    // The message as parsed out of the answer is trimmed; the tokens are not.
    const previousIds = codec.encode(`${prompt}  spaced out  <|im_end|>`);
    const previousMessages = [...asked, assistant('spaced out')];
    const next = codec.appendMessages({ previousIds, previousMessages, newMessages: [user('Go on')] });
    expect(next.extends).toBe(true);
    expect(text(next.ids)).toBe('\n[257]user\nGo on[258]\n[257]assistant\n');
  });

  it('closes an answer that was cut by its length', () => {
    const previousIds = codec.encode(`${prompt}cut o`);
    const previousMessages = [...asked, assistant('cut o')];
    const next = codec.appendMessages({ previousIds, previousMessages, newMessages: [user('Go on')] });
    expect(text(next.ids)).toBe('[258]\n[257]user\nGo on[258]\n[257]assistant\n');
  });

  it('extends tokens without an answer where their text is a beginning of the whole', () => {
    const previousMessages = [user('a')];
    const previousIds = codec.encode(codec.renderMessages(previousMessages, [], { addGenerationPrompt: false }));
    const next = codec.appendMessages({ previousIds, previousMessages, newMessages: [user('b')] });
    expect(next.extends).toBe(true);
    expect(text(next.ids)).toBe('[257]user\nb[258]\n[257]assistant\n');
  });

  it('reports a template that rewrites earlier messages, and encodes everything anew', () => {
    const onlyLast = "{{ '<|im_start|>' + (messages | last).content }}";
    const other = loadTextCodec(archiveWith({ 'chat_template.jinja': onlyLast }));
    const options = { previousIds: other.encode('<|im_start|>ab'), previousMessages: [user('a'), assistant('b')] };
    const next = other.appendMessages({ ...options, newMessages: [user('c')] });
    expect(next.extends).toBe(false);
    expect(text(next.ids)).toBe('[257]c');
  });
});
