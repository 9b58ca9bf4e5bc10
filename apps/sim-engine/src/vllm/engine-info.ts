import type { vllm } from '@holdfast/contracts';
import type { EngineSettings } from '../engine-settings.js';
import { eosTokenId, padTokenId } from '../tokenizer/byte-level-tokenizer.js';

/** `server_type` of a simulated engine; vLLM itself says "vllm-grpc". */
const serverType = 'holdfast-sim';

/** Pure. The answer of GetModelInfo. */
export const modelInfo = (settings: EngineSettings): vllm.GetModelInfoResponse => ({
  modelPath: settings.profile,
  isGeneration: true,
  maxContextLength: settings.maxContextTokens,
  vocabSize: settings.vocabularySize,
  supportsVision: false,
  servedModelName: settings.model,
  tokenizerPath: '',
  modelType: serverType,
  architectures: ['HoldfastSimForCausalLM'],
  eosTokenIds: [eosTokenId],
  padTokenId,
  bosTokenId: padTokenId,
  maxReqInputLen: settings.maxContextTokens - 1,
  defaultSamplingParamsJson: '{}',
});

/** What changes while the server runs. */
export interface ServerActivity {
  readonly activeRequests: number;
  /** Wall time of the last Generate call, in milliseconds since the epoch; 0 before the first. */
  readonly lastReceivedAtMs: number;
  readonly uptimeSeconds: number;
}

/** Pure. The answer of GetServerInfo. */
export const serverInfo = (settings: EngineSettings, activity: ServerActivity): vllm.GetServerInfoResponse => ({
  activeRequests: activity.activeRequests,
  isPaused: false,
  lastReceiveTimestamp: activity.lastReceivedAtMs / 1_000,
  uptimeSeconds: activity.uptimeSeconds,
  serverType,
  kvConnector: '',
  kvRole: '',
  kvEngineId: settings.epoch,
  dataParallelSize: 1,
  kvCacheDtype: 'bfloat16',
  blockSize: settings.blockTokens,
  attentionBackend: 'SIMULATED',
  modelDtype: 'bfloat16',
  maxNumSeqs: settings.maxRunningRequests,
});
