/**
 * A byte-level tokenizer in the Hugging Face format: one token for each byte and a few special ones. Ids 0 to 255 are
 * the bytes themselves, so ids and text convert without tables.
 */

/** Special tokens, in order of their ids from 256 up. */
export const specialTokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const;

const FIRST_SPECIAL_ID = 256;

/** Pads, and stands for the begin of a text where a model asks for one. */
export const padTokenId = FIRST_SPECIAL_ID;

/** Ends a turn: `<|im_end|>`. */
export const eosTokenId = FIRST_SPECIAL_ID + 2;

/** Ids that have a name. A larger vocabulary only makes more unnamed ids legal. */
export const namedTokens = FIRST_SPECIAL_ID + specialTokens.length;

const isPlain = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/**
 * Pure. The printable character that a byte-level vocabulary writes for each byte: itself where it prints as Latin-1,
 * else the next unused code point from U+0100 up (the convention of GPT-2, which every ByteLevel decoder knows).
 */
const byteCharacters = (): readonly string[] => {
  let nextCodePoint = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPlain(byte) ? byte : nextCodePoint++));
};

/** Pure. The content of `tokenizer.json`. */
export const tokenizerJson = (): object => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: specialTokens.map((content, index) => ({
    id: FIRST_SPECIAL_ID + index,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(byteCharacters().map((character, byte) => [character, byte])),
    merges: [],
  },
});

const specialPattern = new RegExp(`(${specialTokens.map((token) => token.replaceAll('|', '\\|')).join('|')})`);

/** Pure. Token ids of a text; the names of special tokens become their ids. */
export const encodeText = (text: string): Uint32Array => {
  const ids: number[] = [];
  for (const piece of text.split(specialPattern)) {
    const special = (specialTokens as readonly string[]).indexOf(piece);
    if (special >= 0) ids.push(FIRST_SPECIAL_ID + special);
    else for (const byte of Buffer.from(piece, 'utf8')) ids.push(byte);
  }
  return Uint32Array.from(ids);
};
