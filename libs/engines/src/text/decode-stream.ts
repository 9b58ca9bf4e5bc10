/**
 * Incremental detokenisation: tokens in, text out, never half a character. What was pushed and flushed, joined, is the
 * text of all tokens. Two ways: byte-level tokenizers are decoded byte by byte, which is exact; for all others the text
 * of a short window of tokens is compared before and after.
 */
import type { Tokenizer } from '@huggingface/tokenizers';

/** Text of a stream of tokens. Owns state: one stream, one decoder. */
export interface DecodeStream {
  /** The text that these tokens complete; empty while a character is not whole. */
  push(tokenIds: readonly number[]): string;
  /** What is left at the end; an incomplete character becomes U+FFFD. */
  flush(): string;
}

/** What a decoder must know about the vocabulary. */
export interface Vocabulary {
  readonly tokenizer: Tokenizer;
  /** Tokens added to the model's own; special ones have no text. */
  readonly added: ReadonlyMap<number, { readonly content: string; readonly special: boolean }>;
  readonly isByteLevel: boolean;
}

/** A new stream. */
export const createDecodeStream = (vocabulary: Vocabulary): DecodeStream =>
  vocabulary.isByteLevel ? byteLevelStream(vocabulary) : windowedStream(vocabulary.tokenizer);

const byteLevelStream = ({ tokenizer, added }: Vocabulary): DecodeStream => {
  // ignoreBOM: a byte order mark in an answer is text, too.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const textOf = (id: number): string => {
    const marker = added.get(id);
    if (marker !== undefined) return decoder.decode() + (marker.special ? '' : marker.content);
    return decoder.decode(bytesOf(tokenizer.id_to_token(id) ?? ''), { stream: true });
  };
  return { push: (tokenIds) => tokenIds.map(textOf).join(''), flush: () => decoder.decode() };
};

const bytesOf = (token: string): Uint8Array => {
  const bytes = new Uint8Array(token.length);
  // A character outside of the byte alphabet cannot be in a byte-level vocabulary; it would decode to U+FFFD.
  for (let i = 0; i < token.length; i++) bytes[i] = byteOf.get(token.charCodeAt(i)) ?? 0xff;
  return bytes;
};

/** GPT-2's alphabet: printable Latin-1 stands for itself, each other byte for a character from U+0100 on. */
const byteOf: ReadonlyMap<number, number> = (() => {
  const table = new Map<number, number>();
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  for (let byte = 0; byte < 0x100; byte++) table.set(isPrintable(byte) ? byte : next++, byte);
  return table;
})();

const REPLACEMENT = '\uFFFD';

/** Tokens whose text must be final before the window moves on: enough for the widest character of four byte tokens. */
const windowedStream = (tokenizer: Tokenizer): DecodeStream => {
  let window: number[] = [];
  let settled = 0;
  const text = (ids: readonly number[]): string =>
    ids.length === 0 ? '' : tokenizer.decode([...ids], { skip_special_tokens: true });
  const advance = (isEnd: boolean): string => {
    const before = text(window.slice(0, settled));
    const now = text(window);
    if (now.length <= before.length || (now.endsWith(REPLACEMENT) && !isEnd)) return '';
    // The last settled tokens stay as context: a decoder may treat the first token of a text differently.
    window = window.slice(settled);
    settled = window.length;
    return now.slice(before.length);
  };
  const pushOne = (id: number): string => {
    window.push(id);
    return advance(false);
  };
  return { push: (tokenIds) => tokenIds.map(pushOne).join(''), flush: () => advance(true) };
};
