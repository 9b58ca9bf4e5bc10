import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { strFromU8, unzipSync } from 'fflate';
import { fakeTokenizerArchive } from '../fake/fake-tokenizer.js';
import { wordEncoder } from './word-encoder.js';

const files = unzipSync(fakeTokenizerArchive());
const json = (name: string): Record<string, unknown> =>
  JSON.parse(strFromU8(files[name] ?? new Uint8Array())) as Record<string, unknown>;

const byteLevel = (changes: object): object => ({
  ...{ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  ...changes,
});

/** As models of the Llama 3 and Qwen families have it. */
const WORDS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const split = { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Isolated', invert: false };

const sequence = (last: object): object => ({ type: 'Sequence', pretokenizers: [split, last] });

/** Of the tokenizer's file: of its markers, or of its own parts. */
interface Changes {
  readonly lstrip?: boolean;
  readonly normalized?: boolean;
  readonly normalizer?: object;
  readonly post_processor?: object;
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: fc.constantFrom(...' \n\t\r.,\'"ab1é’─漢😀\u00a0'), maxLength: 60 }),
  fc.constantFrom("it's <|im_start|>user\nhi<|im_end|>\n", 'def f(x):\n    return x  # ┌──┐\n'),
);

const template = {
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<|im_start|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [],
  special_tokens: { '<|im_start|>': { id: '<|im_start|>', ids: [1], tokens: ['<|im_start|>'] } },
};

describe('byte-level words', () => {
  it.each<[string, object, Changes]>([
    ['by its own pattern', byteLevel({}), {}],
    ['with a blank before the first word', byteLevel({ add_prefix_space: true }), {}],
    ['without a pattern', byteLevel({ use_regex: false }), {}],
    ['behind the pattern of newer models', sequence(byteLevel({ use_regex: false })), {}],
    ['behind that and with blanks', sequence(byteLevel({ add_prefix_space: true })), {}],
    ['and a normalizer', byteLevel({}), { normalizer: { type: 'NFC' } }],
    ['and markers that take blanks along', byteLevel({}), { lstrip: true }],
    ['and markers in normalized text', byteLevel({}), { normalizer: { type: 'NFC' }, normalized: true }],
    ['and a template of markers', byteLevel({}), { post_processor: template }],
  ])(
    'are encoded %s as the library does',
    (_name, pre_tokenizer, { lstrip = false, normalized = false, ...others }) => {
      const model = {
        ...(json('tokenizer.json')['model'] as object),
        merges: [
          ['h', 'i'],
          ['Ġ', 'a'],
          ['Ã', '©'],
        ],
      };
      const vocab = { ...(model as { vocab?: object }).vocab, hi: 300, Ġa: 301, 'Ã©': 302 };
      const file = json('tokenizer.json');
      const added_tokens = (file['added_tokens'] as object[]).map((token) => ({ ...token, lstrip, normalized }));
      const tokenizerJson = { ...file, pre_tokenizer, model: { ...model, vocab }, added_tokens, ...others };
      const fresh = (): Tokenizer => new Tokenizer(tokenizerJson, json('tokenizer_config.json'));
      const library = fresh();
      const encode = wordEncoder(fresh());
      const options = { add_special_tokens: false };
      fc.assert(
        fc.property(text, (given) => {
          expect([...encode(given)]).toEqual(library.encode(given, options).ids);
        }),
        { numRuns: 500 },
      );
    },
  );
});
