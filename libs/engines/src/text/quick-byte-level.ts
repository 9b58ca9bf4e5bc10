/**
 * The library's byte-level pre-tokenizer, quick for ASCII, which most of what agents read is made of. The library turns each
 * word into bytes and those into the characters that stand for them, by ways that cost half of all tokenizing.
 */
import * as library from '@huggingface/tokenizers';

/** Of the library's classes, whose declarations Node's way to resolve modules does not find. */
interface PreTokenizer {
  pre_tokenize_text(text: string): string[];
}

interface Sequence extends PreTokenizer {
  tokenizers: (PreTokenizer | null)[];
}

interface ByteLevel extends PreTokenizer {
  readonly config: object;
  readonly add_prefix_space: boolean;
  readonly use_regex: boolean;
  readonly pattern: RegExp;
  /** From a byte to the character that stands for it. */
  readonly byte_encoder: Readonly<Record<number, string>>;
}

const { ByteLevelPreTokenizer, SequencePreTokenizer } = library as unknown as {
  readonly ByteLevelPreTokenizer: new (config: object) => ByteLevel;
  readonly SequencePreTokenizer: new (config: object) => Sequence;
};

/** Modifies the tokenizer: encodes as before, faster where it is byte-level. */
export const quicken = (tokenizer: { pre_tokenizer: PreTokenizer | null }): void => {
  tokenizer.pre_tokenizer = quick(tokenizer.pre_tokenizer);
};

/** Pure. True when words come out of it as byte-level spells them, quickly. */
export const isQuickByteLevel = (tokenizer: unknown): boolean =>
  tokenizer instanceof SequencePreTokenizer
    ? isQuickByteLevel(tokenizer.tokenizers.at(-1))
    : tokenizer instanceof QuickByteLevel;

const quick = (given: PreTokenizer | null): PreTokenizer | null => {
  if (given instanceof SequencePreTokenizer) given.tokenizers = given.tokenizers.map(quick);
  return given instanceof ByteLevelPreTokenizer ? new QuickByteLevel(given.config) : given;
};

const MAX_ASCII = 0x7f;

class QuickByteLevel extends ByteLevelPreTokenizer {
  /** For words of other characters. */
  readonly #library: ByteLevel;

  constructor(config: object) {
    super(config);
    this.#library = new ByteLevelPreTokenizer({ ...config, add_prefix_space: false, use_regex: false });
  }

  /** Pure. */
  override pre_tokenize_text(text: string): string[] {
    const whole = this.add_prefix_space && !text.startsWith(' ') ? ` ${text}` : text;
    const words = this.use_regex ? (whole.match(this.pattern) ?? []) : [whole];
    return words.map((word) => this.#spelled(word) ?? this.#library.pre_tokenize_text(word).join(''));
  }

  /** The characters that stand for a word's bytes; null when it is not ASCII. */
  #spelled(word: string): string | null {
    let spelled = '';
    for (let index = 0; index < word.length; index += 1) {
      const code = word.charCodeAt(index);
      if (code > MAX_ASCII) return null;
      spelled += this.byte_encoder[code];
    }
    return spelled;
  }
}
