// The specs that need the chunk engine and its small model: `npm run test:chunks`.
import { fileURLToPath } from 'node:url';
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: fileURLToPath(new URL('../..', import.meta.url)),
  roots: ['<rootDir>/test/chunks'],
  testMatch: ['**/*.chunks.ts'],
  testTimeout: 600_000,
  maxWorkers: 1,
};
