export * from './generated/holdfast/kv/v1/kv.js';
export * from './generated/holdfast/kv/v1/kv_control_service.js';
