import { readFileSync } from 'node:fs';

// One level above this module both in `src` and in `dist`.
const DESCRIPTOR_SET = new URL('../descriptors.binpb', import.meta.url);

/**
 * The `google.protobuf.FileDescriptorSet` (binary) of every proto of this repository, imports included: what gRPC
 * server reflection answers from. Reads a file on each call; call it once at start.
 */
export const descriptorSet = (): Buffer => readFileSync(DESCRIPTOR_SET);
