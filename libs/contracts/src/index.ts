/**
 * The wire: generated messages, codecs and grpc-js service definitions, under one namespace a proto package, and the
 * error details that ride on a gRPC status. Written by hand are `errors.ts`, `time.ts` and `descriptors.ts`.
 */
export * as program from './program.js';
export * as chunk from './chunk.js';
export * as engine from './engine.js';
export * as kv from './kv.js';
export * as vllm from './vllm.js';
export { Reason } from './generated/holdfast/errors/v1/reasons.js';
export type { FieldViolation, StatusDetails } from './errors.js';
export { decodeStatusDetails, encodeStatusDetails, ERROR_DOMAIN, STATUS_DETAILS_KEY } from './errors.js';
export { durationFromProto, durationToProto, timestampFromProto, timestampToProto } from './time.js';
export { descriptorSet, reflectedFiles } from './descriptors.js';
