export * from './generated/holdfast/chunk/v1/chunk.js';
export * from './generated/holdfast/chunk/v1/chunk_engine_service.js';
