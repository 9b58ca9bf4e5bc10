export * from './generated/vllm/grpc/engine/vllm_engine.js';
export * from './generated/smg/grpc/common/common.js';
