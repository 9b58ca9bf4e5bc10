/**
 * The bytes of a GenerateRequest. A prompt of 100,000 tokens travels in each turn, so the packed token ids are written
 * straight from the Uint32Array into one buffer of the exact size; everything else goes through the generated codec.
 */
import { vllm } from '@holdfast/contracts';

/** A GenerateRequest whose prompt stays a Uint32Array. */
export interface GenerateRequestParts {
  readonly requestId: string;
  readonly promptIds: Uint32Array;
  readonly sampling: vllm.SamplingParams;
  /** The JSON of the hints; absent for engines that do not understand them. */
  readonly hintsJson?: string;
}

/** `input.tokenized` is field 2, length-delimited; `TokenizedInput.input_ids` is field 2, packed. */
const TOKENIZED_TAG = 0x12;
const INPUT_IDS_TAG = 0x12;

/** Pure. The wire form. The ids come last, since fields may stand in any order: then the rest is encoded at once. */
export const serializeGenerateRequest = (parts: GenerateRequestParts): Buffer => {
  const rest = vllm.GenerateRequest.encode({
    ...{ requestId: parts.requestId, input: undefined, samplingParams: parts.sampling, stream: true },
    ...(parts.hintsJson === undefined ? {} : { kvTransferParamsJson: parts.hintsJson }),
  }).finish();
  const packedBytes = packedLength(parts.promptIds);
  // An empty packed field is not written at all, the message around it is.
  const innerBytes = packedBytes === 0 ? 0 : 1 + varintLength(packedBytes) + packedBytes;
  const out = Buffer.allocUnsafe(rest.length + 1 + varintLength(innerBytes) + innerBytes);
  out.set(rest, 0);
  let at = rest.length;
  out[at++] = TOKENIZED_TAG;
  at = writeVarint(out, at, innerBytes);
  if (packedBytes > 0) {
    out[at++] = INPUT_IDS_TAG;
    at = writeVarint(out, at, packedBytes);
    writePacked(out, at, parts.promptIds);
  }
  return out;
};

const varintLength = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;

const packedLength = (ids: Uint32Array): number => {
  let bytes = 0;
  for (let i = 0; i < ids.length; i++) bytes += varintLength(ids[i] as number);
  return bytes;
};

const writeVarint = (out: Buffer, start: number, value: number): number => {
  let at = start;
  let left = value;
  while (left >= 0x80) {
    out[at++] = (left & 0x7f) | 0x80;
    left >>>= 7;
  }
  out[at++] = left;
  return at;
};

/** The three lengths that token ids have are written out: a call for each id would double the time. */
const writePacked = (out: Buffer, start: number, ids: Uint32Array): void => {
  let at = start;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number;
    if (id < 0x80) {
      out[at++] = id;
    } else if (id < 0x4000) {
      out[at++] = (id & 0x7f) | 0x80;
      out[at++] = id >>> 7;
    } else if (id < 0x20_0000) {
      out[at++] = (id & 0x7f) | 0x80;
      out[at++] = ((id >>> 7) & 0x7f) | 0x80;
      out[at++] = id >>> 14;
    } else {
      at = writeVarint(out, at, id);
    }
  }
};
