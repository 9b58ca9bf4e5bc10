import { DomainError } from '@holdfast/platform';
import { Tokenizer } from '@huggingface/tokenizers';
import { type AppendOptions, type AppendedPrompt, appendMessages } from './append-messages.js';
import { type ChatTemplate, compileChatTemplate } from './chat-template.js';
import { type DecodeStream, type Vocabulary, createDecodeStream } from './decode-stream.js';
import { readTokenizerFiles } from './tokenizer-files.js';
import { wordEncoder } from './word-encoder.js';

/** Text to tokens and back, as the engine's own model does it. */
export interface TextCodec {
  /** Pure. The conversation as prompt text. Throws FIELD_INVALID when the model has no chat template or refuses. */
  readonly renderMessages: ChatTemplate['render'];
  /** Pure. The tokens of a text; markers in it, as a template writes them, become their tokens. Nothing is added. */
  encode(text: string): Uint32Array;
  /** Pure. The text of the tokens, without special ones. */
  decode(tokenIds: Uint32Array | readonly number[]): string;
  /** A new incremental decoder. */
  decodeStream(): DecodeStream;
  /** Pure. The next prompt of a conversation as an extension of its tokens so far. */
  appendMessages(options: AppendOptions): AppendedPrompt;
}

/** Builds the codec from the archive of `EngineClient.tokenizerArchive`. Throws FIELD_INVALID for anything else. */
export const loadTextCodec = (archive: Uint8Array): TextCodec => {
  const files = readTokenizerFiles(archive);
  const vocabulary = buildVocabulary(files.tokenizer, files.config);
  const template =
    files.chatTemplate === undefined ? noTemplate : compileChatTemplate(files.chatTemplate, files.config);
  const encode = wordEncoder(vocabulary.tokenizer);
  const markedText = (tokenIds: Uint32Array): string =>
    tokenIds.length === 0 ? '' : vocabulary.tokenizer.decode([...tokenIds], { skip_special_tokens: false });
  return {
    renderMessages: (messages, tools, options) => template.render(messages, tools, options),
    encode,
    decode: (tokenIds) => {
      const stream = createDecodeStream(vocabulary);
      return stream.push([...tokenIds]) + stream.flush();
    },
    decodeStream: () => createDecodeStream(vocabulary),
    appendMessages: (options) => appendMessages(options, { template, encode, markedText }),
  };
};

const buildVocabulary = (tokenizerJson: Record<string, unknown>, config: Record<string, unknown>): Vocabulary => {
  try {
    const tokenizer = new Tokenizer(tokenizerJson, config);
    const added = [...tokenizer.get_added_tokens_decoder()].map(
      ([id, { content, special }]) => [id, { content, special }] as const,
    );
    return { tokenizer, added: new Map(added), isByteLevel: isByteLevel(tokenizerJson['decoder']) };
  } catch (error) {
    const message = `tokenizer archive: no tokenizer can be built from it: ${(error as Error).message}`;
    throw new DomainError({ kind: 'invalid', reason: 'FIELD_INVALID', message, cause: error });
  }
};

const isByteLevel = (decoder: unknown): boolean =>
  typeof decoder === 'object' && decoder !== null && (decoder as { type?: unknown }).type === 'ByteLevel';

const noTemplate: ChatTemplate = {
  render: () => {
    const message = 'messages: the model has no chat template; send token ids instead';
    throw new DomainError({ kind: 'invalid', reason: 'FIELD_INVALID', message });
  },
};
