import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fakeTokenizerArchive } from '../fake/fake-tokenizer.js';
import { loadTextCodec } from './text-codec.js';

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
        expect(appended.promptIds.slice(0, previousIds.length)).toEqual(previousIds);
        expect(appended.promptIds).toEqual(codec.encode(whole));
      }),
    );
  });
});
