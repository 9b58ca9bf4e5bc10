export * from './generated/holdfast/program/v1/program.js';
export * from './generated/holdfast/program/v1/program_service.js';
