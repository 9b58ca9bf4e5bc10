import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import 'protobufjs/ext/descriptor/index.js';
import { descriptorSet, vllm } from './index.js';

// The wire is not ours: what our codecs write must be read, with equal values, by the definitions that vLLM's front end
// is built from, and the other way round, for every message and field that our protos declare.

const UPSTREAM = new URL('./fixtures/smg-grpc-proto-0.4.28.binpb', import.meta.url);
const PACKAGES = ['vllm.grpc.engine', 'smg.grpc.common'];

interface DescriptorRoot {
  fromDescriptor(set: Uint8Array): protobuf.Root;
}

const load = (set: Uint8Array): protobuf.Root => {
  const root = (protobuf.Root as unknown as DescriptorRoot).fromDescriptor(set);
  root.resolveAll();
  return root;
};

const ours = load(descriptorSet());
const theirs = load(readFileSync(UPSTREAM));

const typesOf = (namespace: protobuf.NamespaceBase): protobuf.Type[] =>
  namespace.nestedArray.flatMap((nested) => (nested instanceof protobuf.Type ? [nested, ...typesOf(nested)] : []));

// Reflection shows a map as what it is on the wire: repeated entries of a nested message.
const isMapEntry = (type: protobuf.ReflectionObject | null): boolean =>
  type instanceof protobuf.Type && type.name.endsWith('Entry') && type.parent instanceof protobuf.Type;

/** Entries in the order in which a JavaScript object holds them: the order of a map on the wire means nothing. */
const inObjectOrder = (entries: readonly Plain[]): Plain[] =>
  Object.values(Object.fromEntries(entries.map((entry) => [entry['key'], entry])));

const messages = PACKAGES.flatMap((name) => typesOf(ours.lookup(name) as protobuf.Namespace)).filter(
  (type) => !isMapEntry(type),
);

const trimmed = (name: string): string => name.replace(/^\./, '');

const camel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** A plain value of a message in the descriptor's terms: snake_case keys, bigint for 64 bits, Buffer for bytes. */
type Plain = Record<string, unknown>;

const SCALARS: Record<string, fc.Arbitrary<unknown>> = {
  string: fc.string({ unit: 'grapheme', maxLength: 12 }),
  bool: fc.boolean(),
  uint32: fc.integer({ min: 0, max: 0xffff_ffff }),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  float: fc.float({ noNaN: true }).filter((value) => !Object.is(value, -0)),
  double: fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
  bytes: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
};

const valueOf = (field: protobuf.Field): fc.Arbitrary<unknown> => {
  if (field.resolvedType instanceof protobuf.Type) return plainOf(field.resolvedType);
  const scalar = SCALARS[field.type];
  if (scalar === undefined) throw new Error(`${field.fullName}: no values for type ${field.type}`);
  return scalar;
};

const isSynthetic = (oneof: protobuf.OneOf): boolean => oneof.fieldsArray.length === 1 && oneof.name.startsWith('_');

const fieldOf = (field: protobuf.Field): fc.Arbitrary<unknown> => {
  if (field.resolvedType instanceof protobuf.Type && isMapEntry(field.resolvedType)) {
    const entries = fc.uniqueArray(plainOf(field.resolvedType), { maxLength: 3, selector: (entry) => entry['key'] });
    return entries.map(inObjectOrder);
  }
  if (field.repeated) return fc.array(valueOf(field), { maxLength: 3 });
  const isOptional = field.partOf !== null || field.resolvedType instanceof protobuf.Type;
  return isOptional ? fc.option(valueOf(field), { nil: undefined }) : valueOf(field);
};

const plainOf = (type: protobuf.Type): fc.Arbitrary<Plain> =>
  fc
    .tuple(fc.record(Object.fromEntries(type.fieldsArray.map((field) => [field.name, fieldOf(field)]))), fc.nat(1_000))
    .map(([value, pick]) => {
      const plain: Plain = { ...value };
      for (const oneof of type.oneofsArray.filter((candidate) => !isSynthetic(candidate))) {
        const set = oneof.fieldsArray.filter((field) => plain[field.name] !== undefined);
        const kept = set[pick % Math.max(1, set.length)];
        for (const field of set) if (field !== kept) plain[field.name] = undefined;
      }
      return plain;
    });

const mapValue = (
  field: protobuf.Field,
  value: unknown,
  convert: (type: protobuf.Type, plain: Plain) => unknown,
): unknown => {
  const one = (item: unknown): unknown =>
    field.resolvedType instanceof protobuf.Type ? convert(field.resolvedType, item as Plain) : item;
  return Array.isArray(value) ? value.map(one) : one(value);
};

/** The same value as the generated code holds it: camelCase, and a oneof as {$case, value}. */
const toGenerated = (type: protobuf.Type, plain: Plain): Plain => {
  const message: Plain = {};
  for (const field of type.fieldsArray) {
    const value = plain[field.name];
    if (value === undefined) continue;
    const converted = isMapEntry(field.resolvedType)
      ? Object.fromEntries((value as Plain[]).map((entry) => [entry['key'], entry['value']]))
      : mapValue(field, value, toGenerated);
    if (field.partOf !== null && !isSynthetic(field.partOf)) {
      message[camel(field.partOf.name)] = { $case: camel(field.name), value: converted };
    } else {
      message[camel(field.name)] = converted;
    }
  }
  return message;
};

/** The same value as protobufjs takes it: 64-bit numbers as decimal strings. */
const toReflected = (type: protobuf.Type, plain: Plain): Plain =>
  Object.fromEntries(
    type.fieldsArray
      .filter((field) => plain[field.name] !== undefined)
      .map((field) => {
        const value = mapValue(field, plain[field.name], toReflected);
        const text = (item: unknown): unknown => (typeof item === 'bigint' ? String(item) : item);
        return [field.name, Array.isArray(value) ? value.map(text) : text(value)];
      }),
  );

interface GeneratedCodec {
  fromPartial(value: object): object;
  encode(value: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
}

const codecOf = (type: protobuf.Type): GeneratedCodec => {
  const codec = (vllm as unknown as Record<string, GeneratedCodec | undefined>)[type.name];
  if (codec === undefined) throw new Error(`no generated codec for ${type.fullName}`);
  return codec;
};

const upstreamType = (type: protobuf.Type): protobuf.Type => theirs.lookupType(trimmed(type.fullName));

const PLAIN_OPTIONS = { longs: String, bytes: Buffer, defaults: true };

describe('our protos against smg-grpc-proto 0.4.28', () => {
  it('declare at least the messages that a request and an answer need', () => {
    expect(messages.map((type) => type.name)).toEqual(
      expect.arrayContaining(['GenerateRequest', 'GenerateResponse', 'SamplingParams', 'KvEventBatch', 'EngineLoad']),
    );
  });

  it.each(messages.map((type) => [trimmed(type.fullName), type] as const))(
    'give each field of %s the name, number, type and label it has there',
    (_, type) => {
      const upstream = upstreamType(type);
      const shape = (field: protobuf.Field): object => ({
        name: field.name,
        number: field.id,
        type: trimmed(field.resolvedType?.fullName ?? field.type),
        repeated: field.repeated,

        oneof: field.partOf?.name,
      });
      for (const field of type.fieldsArray) {
        const match = upstream.fieldsById[field.id];
        expect(match === undefined ? undefined : shape(match)).toEqual(shape(field));
      }
    },
  );

  it('declare each method with the name, messages and streaming it has there', () => {
    const service = ours.lookupService('vllm.grpc.engine.VllmEngine');
    const upstream = theirs.lookupService('vllm.grpc.engine.VllmEngine');
    const shape = (method: protobuf.Method | undefined): unknown =>
      method === undefined
        ? undefined
        : {
            request: trimmed(method.resolvedRequestType?.fullName ?? ''),
            response: trimmed(method.resolvedResponseType?.fullName ?? ''),
            requestStream: method.requestStream ?? false,
            responseStream: method.responseStream ?? false,
          };
    expect(service.methodsArray.length).toBeGreaterThan(0);
    for (const method of service.methodsArray) {
      expect(shape(upstream.methods[method.name])).toEqual(shape(method));
    }
  });

  it.each(messages.map((type) => [trimmed(type.fullName), type] as const))(
    'write %s so that it reads equal there, and read what is written there',
    (_, type) => {
      const codec = codecOf(type);
      const upstream = upstreamType(type);
      fc.assert(
        fc.property(plainOf(type), (plain) => {
          const generated = codec.fromPartial(toGenerated(type, plain));
          const reflected = upstream.fromObject(toReflected(type, plain));
          const read = upstream.toObject(upstream.decode(codec.encode(generated).finish()), PLAIN_OPTIONS);
          expect(read).toEqual(upstream.toObject(upstream.decode(upstream.encode(reflected).finish()), PLAIN_OPTIONS));
          expect(codec.decode(upstream.encode(reflected).finish())).toEqual(generated);
        }),
        { numRuns: 60 },
      );
    },
  );
});
