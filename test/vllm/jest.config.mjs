// The specs that need a real vLLM: `npm run test:vllm`. Two files at a time: most of it is engines that start, each on
// one core.
import { fileURLToPath } from 'node:url';
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: fileURLToPath(new URL('../..', import.meta.url)),
  roots: ['<rootDir>/test/vllm'],
  testMatch: ['**/*.vllm.ts'],
  testTimeout: 300_000,
  maxWorkers: 2,
};
