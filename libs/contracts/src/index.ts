/**
 * The wire: generated messages, codecs and grpc-js service definitions, under one namespace a proto package, and the
 * error details that ride on a gRPC status. Nothing here is written by hand except `errors.ts` and `time.ts`.
 */
export * as program from './program.js';
export * as kv from './kv.js';
export * as vllm from './vllm.js';
export { Reason } from './generated/holdfast/errors/v1/reasons.js';
