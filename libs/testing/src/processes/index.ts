/** Built programs as processes, without Jest: for benchmarks as well as end-to-end tests. */
export type { BuiltProcessOptions, ProcessEnd } from './built-process.js';
export { BuiltProcess } from './built-process.js';
export { findProcesses } from './find-processes.js';
export type { TestRedis } from './redis-server.js';
export { hasRedis, startRedis } from './redis-server.js';
export type { ServiceProcessesOptions } from './service-processes.js';
export { ServiceProcesses } from './service-processes.js';
