// The specs that need a real vLLM: `npm run test:vllm`. One at a time, since two engines would share two cores.
import { fileURLToPath } from 'node:url';
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: fileURLToPath(new URL('../..', import.meta.url)),
  roots: ['<rootDir>/test/vllm'],
  testMatch: ['**/*.vllm.ts'],
  testTimeout: 300_000,
  maxWorkers: 1,
};
