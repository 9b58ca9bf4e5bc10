import { DomainError } from '@holdfast/platform';
import { strFromU8, unzipSync } from 'fflate';

/** What a codec needs of an engine's tokenizer archive. */
export interface TokenizerFiles {
  readonly tokenizer: Record<string, unknown>;
  readonly config: Record<string, unknown>;
  /** Jinja; undefined when the model has none, as a base model. */
  readonly chatTemplate: string | undefined;
}

/** A tokenizer.json of the largest vocabularies has about 30 MB. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

const wanted = new Set(['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']);

/** Pure. Reads the archive of GetTokenizer, in whatever folder the files lie. Throws FIELD_INVALID for anything else. */
export const readTokenizerFiles = (archive: Uint8Array): TokenizerFiles => {
  const files = unzip(archive);
  const tokenizer = parseFile(files, 'tokenizer.json');
  if (tokenizer === undefined) throw invalid('it has no tokenizer.json');
  const config = parseFile(files, 'tokenizer_config.json') ?? {};
  const template = files.get('chat_template.jinja');
  return { tokenizer, config, chatTemplate: template ?? templateOf(config['chat_template']) };
};

const unzip = (archive: Uint8Array): ReadonlyMap<string, string> => {
  try {
    const entries = unzipSync(archive, {
      filter: ({ name, originalSize }) => {
        if (!wanted.has(baseName(name))) return false;
        if (originalSize > MAX_FILE_BYTES) throw new RangeError(`${name} has ${originalSize} bytes`);
        return true;
      },
    });
    return new Map(Object.entries(entries).map(([name, bytes]) => [baseName(name), strFromU8(bytes)]));
  } catch (error) {
    throw invalid(`${archive.length} bytes are no zip of at most ${MAX_FILE_BYTES} bytes a file`, error);
  }
};

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const parseFile = (files: ReadonlyMap<string, string>, name: string): Record<string, unknown> | undefined => {
  const text = files.get(name);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    throw invalid(`${name} is no JSON`, error);
  }
  throw invalid(`${name} is no JSON object`);
};

/** One template, or a list of named ones. */
const templateOf = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as readonly { readonly name?: unknown; readonly template?: unknown }[];
  const chosen = named.find(({ name }) => name === 'default') ?? named[0];
  return typeof chosen?.template === 'string' ? chosen.template : undefined;
};

const invalid = (message: string, cause?: unknown): DomainError =>
  new DomainError({ kind: 'invalid', reason: 'FIELD_INVALID', message: `tokenizer archive: ${message}`, cause });
