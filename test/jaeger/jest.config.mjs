// The specs that need a real Jaeger: `npm run test:jaeger`.
import { fileURLToPath } from 'node:url';
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: fileURLToPath(new URL('../..', import.meta.url)),
  roots: ['<rootDir>/test/jaeger'],
  testMatch: ['**/*.jaeger.ts'],
  testTimeout: 120_000,
};
