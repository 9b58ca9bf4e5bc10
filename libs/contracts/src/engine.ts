export * from './generated/holdfast/engine/v1/request_stream_service.js';
