import { textDigest } from './digest.js';

/** What makes two KV tensors of the same tokens comparable. Any difference makes stored KV useless. */
export interface ModelTraits {
  readonly model: string;
  /** Revision or digest of the weights. */
  readonly revision: string;
  readonly tokenizerDigest: string;
  /** Number type of the stored KV, such as `bfloat16`. */
  readonly dtype: string;
  readonly rope: RopeTraits;
}

/** How positions enter keys. */
export interface RopeTraits {
  /** Such as `default`, `llama3` or `yarn`. */
  readonly type: string;
  readonly theta: number;
  /** Every parameter of the scaling, by name; empty without. */
  readonly scaling: Readonly<Record<string, number>>;
}

/** Digest of model traits, or whatever digest an engine reports for them. */
export type Fingerprint = string;

/** Pure. One digest of all traits; the order of the scaling's parameters does not matter. */
export const fingerprintOf = ({ model, revision, tokenizerDigest, dtype, rope }: ModelTraits): Fingerprint => {
  const scaling = Object.entries(rope.scaling).sort(([a], [b]) => (a < b ? -1 : 1));
  return textDigest([
    'fingerprint/1',
    model,
    revision,
    tokenizerDigest,
    dtype,
    rope.type,
    String(rope.theta),
    ...scaling.flatMap(([name, value]) => [name, String(value)]),
  ]);
};
