import { createHash } from 'node:crypto';
import { strToU8, zipSync } from 'fflate';
import { eosTokenId, namedTokens, padTokenId, specialTokens, tokenizerJson } from './byte-level-tokenizer.js';
import { chatTemplate } from './chat-template.js';

/** What the archive says about the model around the tokenizer. */
export interface ModelFacts {
  readonly vocabularySize: number;
  readonly maxContextTokens: number;
}

/** A zip and its fingerprint. */
export interface TokenizerArchive {
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, in hex. */
  readonly sha256: string;
}

/** The zip format cannot hold an earlier time; a fixed one makes equal content equal bytes. */
const ZIP_EPOCH = new Date(1980, 0, 1);

/** Pure. The zip with `tokenizer.json`, `tokenizer_config.json` and `config.json`. Equal facts give equal bytes. */
export const tokenizerArchive = (facts: ModelFacts): TokenizerArchive => {
  const files = {
    'config.json': configJson(facts),
    'tokenizer.json': tokenizerJson(),
    'tokenizer_config.json': tokenizerConfigJson(facts),
  };
  const entries = Object.entries(files).map(([name, content]) => [name, strToU8(JSON.stringify(content, null, 2))]);
  const bytes = zipSync(Object.fromEntries(entries) as Record<string, Uint8Array>, { mtime: ZIP_EPOCH });
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
};

const configJson = (facts: ModelFacts): object => ({
  model_type: 'holdfast-sim',
  architectures: ['HoldfastSimForCausalLM'],
  vocab_size: Math.max(facts.vocabularySize, namedTokens),
  max_position_embeddings: facts.maxContextTokens,
  bos_token_id: padTokenId,
  eos_token_id: eosTokenId,
  pad_token_id: padTokenId,
});

const tokenizerConfigJson = (facts: ModelFacts): object => ({
  tokenizer_class: 'PreTrainedTokenizerFast',
  model_max_length: facts.maxContextTokens,
  add_bos_token: false,
  add_prefix_space: false,
  clean_up_tokenization_spaces: false,
  bos_token: null,
  eos_token: specialTokens[eosTokenId - padTokenId],
  pad_token: specialTokens[0],
  added_tokens_decoder: Object.fromEntries(
    specialTokens.map((content, index) => [
      String(padTokenId + index),
      { content, lstrip: false, normalized: false, rstrip: false, single_word: false, special: true },
    ]),
  ),
  chat_template: chatTemplate,
});
