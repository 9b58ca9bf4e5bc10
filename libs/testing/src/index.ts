export type {
  EngineClientHarness,
  EngineClientTraits,
  MakeEngineClientHarness,
} from './conformance/engine-client/harness.js';
export { engineClientConformance } from './conformance/engine-client/engine-client.conformance.js';
