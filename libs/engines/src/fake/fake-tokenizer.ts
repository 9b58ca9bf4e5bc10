import { strToU8, zipSync } from 'fflate';

const BYTES = 256;
/** Ends an answer. */
export const FAKE_EOS_ID = BYTES;
const IM_START_ID = BYTES + 1;
const IM_END_ID = BYTES + 2;
/** Tokens of the fake vocabulary: the 256 bytes and three markers. */
export const FAKE_VOCABULARY_SIZE = BYTES + 3;

const CHAT_TEMPLATE = [
  '{%- if tools %}<|im_start|>system\nTools: {{ tools | tojson }}<|im_end|>\n{% endif -%}',
  '{%- for message in messages -%}',
  "{{ '<|im_start|>' + message.role + '\n' + (message.content or '') + '<|im_end|>\n' }}",
  '{%- endfor -%}',
  "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}",
].join('');

/**
 * Pure. The archive of a byte-level tokenizer: token id = byte value, three markers, a chat template that extends. Small,
 * valid for every Unicode text, and of the form that a real engine sends.
 */
export const fakeTokenizerArchive = (): Uint8Array => {
  const special = [
    [FAKE_EOS_ID, '<|endoftext|>'],
    [IM_START_ID, '<|im_start|>'],
    [IM_END_ID, '<|im_end|>'],
  ] as const;
  const vocab = Object.fromEntries(Array.from({ length: BYTES }, (_, byte) => [byteCharacter(byte), byte]));
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map(([id, content]) => ({ id, content, special: true, ...plainToken })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, unk_token: null, fuse_unk: false, byte_fallback: false, vocab, merges: [] },
  };
  const config = { eos_token: '<|endoftext|>', clean_up_tokenization_spaces: false, model_max_length: 8_192 };
  const files = { 'tokenizer.json': tokenizer, 'tokenizer_config.json': config };
  const entries = Object.entries(files).map(([name, value]) => [name, strToU8(JSON.stringify(value))] as const);
  // A fixed time stamp, in local time as zip stores it: the same archive has the same SHA-256 everywhere.
  return zipSync(
    { ...Object.fromEntries(entries), 'chat_template.jinja': strToU8(CHAT_TEMPLATE) },
    { mtime: new Date(2000, 0, 1) },
  );
};

const plainToken = { single_word: false, lstrip: false, rstrip: false, normalized: false };

/** Byte-level tokenizers write each byte as a printable character: itself where it is one, else one from U+0100 on. */
const byteCharacter = (byte: number): string => String.fromCodePoint(isPrintable(byte) ? byte : BYTES + rank(byte));

const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);

const rank = (byte: number): number =>
  Array.from({ length: byte }, (_, other) => other).filter((other) => !isPrintable(other)).length;
