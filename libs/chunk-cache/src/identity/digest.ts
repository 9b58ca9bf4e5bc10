import { sha256Hex } from './sha256.js';

/** Pure. SHA-256 over token ids, each as four bytes, little endian: what an engine checks before it uses stored KV. */
export const tokenDigest = (tokenIds: ArrayLike<number>): string => {
  const bytes = new Uint8Array(tokenIds.length * 4);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < tokenIds.length; index += 1) {
    const id = tokenIds[index]!;
    if (!Number.isInteger(id) || id < 0 || id > 0xffff_ffff) {
      throw new RangeError(`token id ${index} is ${id}; allowed is a whole number from 0 to 4294967295`);
    }
    view.setUint32(index * 4, id, true);
  }
  return sha256Hex(bytes);
};

/**
 * Pure. SHA-256 over texts, each behind its length in bytes, so that no two lists of texts have the same bytes.
 * Throws a RangeError for text that is not well-formed UTF-16, since it has no UTF-8.
 */
export const textDigest = (texts: readonly string[]): string => {
  const parts = texts.map(utf8);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return sha256Hex(bytes);
};

const utf8 = (text: string): readonly number[] => {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code >= 0xd800 && code <= 0xdfff) {
      throw new RangeError(`text has a lone surrogate ${code.toString(16)}; allowed is well-formed Unicode`);
    }
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), continuation(code, 0));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), continuation(code, 6), continuation(code, 0));
    else bytes.push(0xf0 | (code >> 18), continuation(code, 12), continuation(code, 6), continuation(code, 0));
  }
  return bytes;
};

const continuation = (code: number, shift: number): number => 0x80 | ((code >> shift) & 0x3f);
