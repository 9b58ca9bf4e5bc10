export type * from './engine-client.js';
export type { EngineErrorInit, EngineErrorReason } from './engine-error.js';
export { EngineError } from './engine-error.js';
export type { VllmClientOptions, VllmTimeouts, VllmTls } from './vllm/options.js';
export { createVllmClient } from './vllm/create-vllm-client.js';
export type { HintAnswer } from './vllm/hints.js';
export { decodeHintAnswer, decodeHints, encodeHintAnswer, encodeHints } from './vllm/hints.js';
