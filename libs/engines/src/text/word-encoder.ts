/**
 * Byte-level BPE word by word, with the ids of words remembered: what agents read is made of the same words over and over.
 * The library remembers the tokens of words too, but spends several times as long on putting them together.
 */
import type { Tokenizer } from '@huggingface/tokenizers';
import { type ByteLevelWords, byteLevelWords, quicken } from './quick-byte-level.js';

/** Of the library's tokenizer, beyond what it declares. */
interface Internals {
  readonly splitter_unnormalized: { split(text: string): string[] };
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: unknown;
  readonly model: { (words: readonly string[]): string[]; readonly unk_token_id?: number };
  /** The file. */
  readonly tokenizer: { readonly model: { readonly type?: string; readonly fuse_unk?: boolean } };
  readonly remove_space?: boolean;
  readonly do_lowercase_and_remove_accent?: boolean;
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
}

/** Some megabytes. When they are full they are begun anew, which costs less than to know which words were used last. */
const MAX_WORDS = 16_384;
const MAX_WORD_CHARACTERS = 64;

/** Encodes as `tokenizer.encode(text, { add_special_tokens: false })` does. Modifies the tokenizer: it is quickened. */
export const wordEncoder = (tokenizer: Tokenizer): ((text: string) => Uint32Array) => {
  quicken(tokenizer);
  const byteLevel = byteLevelWords(internalsOf(tokenizer).pre_tokenizer);
  return byteLevel !== null && isWordwise(tokenizer)
    ? encodingWords(tokenizer, byteLevel)
    : (text) => new Uint32Array(tokenizer.encode(text, { add_special_tokens: false }).ids);
};

const internalsOf = (tokenizer: Tokenizer): Internals => tokenizer as unknown as Internals;

/** No word's tokens depend on another word, and added tokens stand where they are found. */
const isWordwise = (tokenizer: Tokenizer): boolean => {
  const { added_tokens, normalizer, remove_space, do_lowercase_and_remove_accent, ...rest } = internalsOf(tokenizer);
  const { type, fuse_unk } = rest.tokenizer.model;
  const isFound = added_tokens.every(
    ({ lstrip, rstrip, normalized }) => !lstrip && !rstrip && (!normalized || normalizer === null),
  );
  const isChanged = remove_space === true || do_lowercase_and_remove_accent === true;
  return type === 'BPE' && fuse_unk !== true && isFound && !isChanged;
};

const encodingWords = (tokenizer: Tokenizer, { words, spelled }: ByteLevelWords): ((text: string) => Uint32Array) => {
  const { splitter_unnormalized, added_tokens, normalizer, model } = internalsOf(tokenizer);
  const added = new Map(added_tokens.map(({ content, id }) => [content, id]));
  const known = new Map<string, readonly number[]>();
  const idsOf = (word: string): readonly number[] => {
    const found = known.get(word);
    if (found !== undefined) return found;
    const ids = model([spelled(word)]).map((token) => tokenizer.token_to_id(token) ?? model.unk_token_id ?? 0);
    if (known.size >= MAX_WORDS) known.clear();
    // A copy: the word may be a view, and all of the text that it was part of would be kept with it.
    if (word.length <= MAX_WORD_CHARACTERS) known.set(structuredClone(word), ids);
    return ids;
  };
  return (text) => {
    const ids: number[] = [];
    for (const [section_index, section] of splitter_unnormalized.split(text).entries()) {
      const marker = added.get(section);
      if (marker !== undefined) {
        ids.push(marker);
        continue;
      }
      const plain = normalizer === null ? section : normalizer(section);
      if (plain === '') continue;
      for (const word of words(plain, { section_index })) for (const id of idsOf(word)) ids.push(id);
    }
    return new Uint32Array(ids);
  };
};
