import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { strToU8, unzipSync, zipSync } from 'fflate';
import { fakeTokenizerArchive } from '../fake/fake-tokenizer.js';
import { promptMark } from './append-messages.js';
import { loadTextCodec, type TextCodec } from './text-codec.js';

const codec = loadTextCodec(fakeTokenizerArchive());

/** Every code point except lone surrogates, which are no text. */
const unicode = fc.string({ unit: 'binary', maxLength: 60 });

describe('a byte-level text codec', () => {
  it('gives every Unicode text back', () => {
    fc.assert(fc.property(unicode, (text) => expect(codec.decode(codec.encode(text))).toBe(text)));
  });

  it('streams the same text, in whatever pieces the tokens come', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(unicode, pieces, (text, sizes) => {
        const ids = [...codec.encode(text)];
        const stream = codec.decodeStream();
        let streamed = '';
        for (let at = 0, piece = 0; at < ids.length; piece++) {
          const size = sizes[piece % sizes.length] as number;
          streamed += stream.push(ids.slice(at, at + size));
          at += size;
        }
        expect(streamed + stream.flush()).toBe(text);
      }),
    );
  });

  it('never emits half a character', () => {
    fc.assert(
      fc.property(unicode, (text) => {
        const stream = codec.decodeStream();
        let streamed = '';
        for (const id of codec.encode(text)) {
          streamed += stream.push([id]);
          expect(text.startsWith(streamed)).toBe(true);
          expect(streamed).not.toMatch(/\p{Surrogate}/u);
        }
      }),
    );
  });

  it('decodes any bytes as TextDecoder does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(codec.decode([...bytes])).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
      }),
    );
  });

  it('extends a conversation by exactly what was said, whatever was said', () => {
    const content = fc.string({ unit: 'binary', maxLength: 30 });
    fc.assert(
      fc.property(content, content, content, (question, answer, next) => {
        const asked = [{ role: 'user' as const, content: question }];
        const prompt = codec.renderMessages(asked, [], { addGenerationPrompt: true });
        const previousMessages = [...asked, { role: 'assistant' as const, content: answer }];
        const previousIds = codec.encode(`${prompt}${answer}<|im_end|>`);
        const newMessages = [{ role: 'user' as const, content: next }];
        const appended = codec.appendMessages({ previousIds, previousMessages, newMessages });
        const whole = codec.renderMessages([...previousMessages, ...newMessages], [], { addGenerationPrompt: true });
        expect(appended.extends).toBe(true);
        expect([...previousIds, ...appended.ids]).toEqual([...codec.encode(whole)]);
      }),
    );
  });

  it('appends the same with the mark of the prompt before as without it, whatever the template does', () => {
    const content = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom('', ' a ', 'a\n', '<think>x'),
    );
    const templates = [
      undefined,
      // Trims what was said.
      '{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}[/]\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}',
      // Rewrites answers once something follows, as templates do that drop what a model thought.
      '{% for m in messages %}[{{ m.role }}]{{ m.content if loop.last else m.content[:1] }}[/]{% endfor %}[assistant]',
      // Writes no end.
      '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}',
    ].map((template) => (template === undefined ? codec : loadTextCodec(withTemplate(template))));
    fc.assert(
      fc.property(
        fc.constantFrom(...templates),
        content,
        content,
        content,
        fc.boolean(),
        (own, asked, answer, next, isCut) => {
          const question = [{ role: 'user' as const, content: asked }];
          const prompt = own.renderMessages(question, [], { addGenerationPrompt: true });
          const options = {
            previousIds: own.encode(`${prompt}${answer}${isCut ? '' : '<|im_end|>'}`),
            previousMessages: [...question, { role: 'assistant' as const, content: answer }],
            newMessages: [{ role: 'user' as const, content: next }],
          };
          const marked = own.appendMessages({ ...options, previousPrompt: promptMark(prompt) });
          const plain = own.appendMessages(options);
          // Where the template repeats the prompt and the answer, the mark may find an extension that the rest does not.
          if (plain.extends) expect(marked).toEqual(plain);
          else if (marked.extends) {
            // The end marker that the model wrote stays, also where the template writes another one.
            const [said, end] = [`${prompt}${answer}`, '<|im_end|>'].map((text) => textOf(own, own.encode(text)));
            const got = textOf(own, options.previousIds) + textOf(own, marked.ids);
            expect([got, got.replace(`${said}${end}`, `${said}`)]).toContain(textOf(own, plain.ids));
          }
        },
      ),
    );
  });
});

const textOf = (own: TextCodec, ids: Uint32Array): string =>
  [...ids].map((id) => (id > 255 ? `[${id}]` : own.decode([id]))).join('');

const withTemplate = (template: string): Uint8Array =>
  zipSync({ ...unzipSync(fakeTokenizerArchive()), 'chat_template.jinja': strToU8(template) });
