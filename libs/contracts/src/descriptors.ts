import { BinaryReader } from '@bufbuild/protobuf/wire';
import { readFileSync } from 'node:fs';

// One level above this module both in `src` and in `dist`.
const DESCRIPTOR_SET = new URL('../descriptors.binpb', import.meta.url);

/** Field 1 of `google.protobuf.FileDescriptorSet`, `repeated FileDescriptorProto file`, length-delimited. */
const FILE_TAG = 0x0a;

/**
 * The `google.protobuf.FileDescriptorSet` (binary) of every proto of this repository, imports included. Reads a file on
 * each call; call it once at start.
 */
export const descriptorSet = (): Buffer => readFileSync(DESCRIPTOR_SET);

/** What `ReflectionService` of @grpc/reflection answers from. */
type ReflectedFiles = {
  // A type, since an interface would not do where any name is allowed.
  readonly files: { format: 'Protocol Buffer 3 DescriptorProto'; type: object; fileDescriptorProtos: Buffer[] };
};

/**
 * The files of {@link descriptorSet} for gRPC server reflection, as they were compiled. A loader that builds them anew
 * loses their imports, and clients that check descriptors (grpcurl) then refuse them.
 */
export const reflectedFiles = (): ReflectedFiles => {
  const reader = new BinaryReader(descriptorSet());
  const fileDescriptorProtos: Buffer[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === FILE_TAG) fileDescriptorProtos.push(Buffer.from(reader.bytes()));
    else throw new Error(`descriptors.binpb has tag ${tag}; allowed: ${FILE_TAG}, a FileDescriptorSet`);
  }
  return { files: { format: 'Protocol Buffer 3 DescriptorProto', type: {}, fileDescriptorProtos } };
};
