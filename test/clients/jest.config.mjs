// The specs with clients that others wrote: `npm run test:clients`.
import { fileURLToPath } from 'node:url';
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: fileURLToPath(new URL('../..', import.meta.url)),
  roots: ['<rootDir>/test/clients'],
  testMatch: ['**/*.clients.ts'],
  testTimeout: 120_000,
  globalSetup: '<rootDir>/test/clients/served-model.mjs',
  globalTeardown: '<rootDir>/test/clients/stop-served-model.mjs',
  // One service at a time: the figures of the load spec are its own.
  maxWorkers: 1,
};
