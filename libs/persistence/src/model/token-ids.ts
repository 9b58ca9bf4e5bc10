import { endianness } from 'node:os';

const isLittleEndian = endianness() === 'LE';

/** Pure. Token ids as stored: 4 bytes each, little endian. Shares memory with `ids` where the machine allows it. */
export function tokenIdsToBytes(ids: Uint32Array): Buffer {
  const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
  return isLittleEndian ? bytes : Buffer.from(bytes).swap32();
}

/**
 * Pure. Reads what {@link tokenIdsToBytes} wrote; always a copy.
 *
 * @throws RangeError when the length is not a multiple of 4.
 */
export function tokenIdsFromBytes(bytes: Uint8Array): Uint32Array {
  if (bytes.byteLength % 4 !== 0) {
    throw new RangeError(`token ids take ${bytes.byteLength} bytes; allowed is a multiple of 4`);
  }
  const copy = Buffer.from(new ArrayBuffer(bytes.byteLength));
  copy.set(bytes);
  if (!isLittleEndian) copy.swap32();
  return new Uint32Array(copy.buffer, copy.byteOffset, bytes.byteLength / 4);
}
