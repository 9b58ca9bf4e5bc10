export type {
  EngineClientHarness,
  EngineClientTraits,
  MakeEngineClientHarness,
} from './conformance/engine-client/harness.js';
export { engineClientConformance } from './conformance/engine-client/engine-client.conformance.js';
export type { BuiltProcessOptions, ProcessEnd } from './processes/built-process.js';
export { BuiltProcess } from './processes/built-process.js';
export type { ServiceProcessesOptions } from './processes/service-processes.js';
export { ServiceProcesses } from './processes/service-processes.js';
export type { FoundProcess } from './processes/find-processes.js';
export { findProcesses } from './processes/find-processes.js';
