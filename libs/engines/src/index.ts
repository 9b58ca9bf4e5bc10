export type * from './engine-client.js';
