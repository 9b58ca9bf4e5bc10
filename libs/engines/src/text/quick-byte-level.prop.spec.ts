import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { strFromU8, unzipSync } from 'fflate';
import { fakeTokenizerArchive } from '../fake/fake-tokenizer.js';
import { quicken } from './quick-byte-level.js';

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

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: fc.constantFrom(...' \n\t\r.,\'"ab1é’─漢😀\u00a0'), maxLength: 60 }),
  fc.constantFrom("it's <|im_start|>user\nhi<|im_end|>\n", 'def f(x):\n    return x  # ┌──┐\n'),
);

describe('a byte-level tokenizer that was quickened', () => {
  it.each([
    ['by its own pattern', byteLevel({})],
    ['with a blank before the first word', byteLevel({ add_prefix_space: true })],
    ['without a pattern', byteLevel({ use_regex: false })],
    [
      'behind the pattern of newer models',
      { type: 'Sequence', pretokenizers: [split, byteLevel({ use_regex: false })] },
    ],
    [
      'behind that and with blanks',
      { type: 'Sequence', pretokenizers: [split, byteLevel({ add_prefix_space: true })] },
    ],
  ])('encodes %s as the library does', (_name, pre_tokenizer) => {
    const model = {
      ...(json('tokenizer.json')['model'] as object),
      merges: [
        ['h', 'i'],
        ['Ġ', 'a'],
        ['Ã', '©'],
      ],
    };
    const vocab = { ...(model as { vocab?: object }).vocab, hi: 300, Ġa: 301, 'Ã©': 302 };
    const tokenizerJson = { ...json('tokenizer.json'), pre_tokenizer, model: { ...model, vocab } };
    const [library, quickened] = [0, 1].map(() => new Tokenizer(tokenizerJson, json('tokenizer_config.json')));
    quicken(quickened!);
    const options = { add_special_tokens: false };
    fc.assert(
      fc.property(text, (given) => {
        expect(quickened!.encode(given, options).ids).toEqual(library!.encode(given, options).ids);
      }),
      { numRuns: 500 },
    );
  });
});
