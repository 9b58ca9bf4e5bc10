import { chunk } from '@holdfast/contracts';
import { channelCredentials, channelOptions, createUnaryCaller, type UnaryCaller } from '../vllm/channel.js';
import { resolveTimeouts, type VllmClientOptions, type VllmTimeouts } from '../vllm/options.js';

/** Options of `createChunkClient`: an engine of holdfast.chunk.v1 has one address for everything. */
export type ChunkClientOptions = Omit<VllmClientOptions, 'kvControlAddress' | 'prefillCost'>;

/** Building a variant is a prefill, and a reconcile reads a disk. */
const LONG_CALL_MS = 120_000;

/** The connection to one engine of holdfast.chunk.v1. */
export interface ChunkLink {
  readonly engineId: string;
  readonly client: chunk.ChunkEngineServiceClient;
  readonly timeouts: Required<VllmTimeouts>;
  readonly unary: UnaryCaller;
  /** For calls that compute. */
  readonly longUnary: UnaryCaller;
}

/** Opens the channel; it connects with the first call. */
export const openChunkLink = (options: ChunkClientOptions): ChunkLink => {
  const { engineId } = options;
  const timeouts = resolveTimeouts(options.timeouts);
  const channel = channelOptions({
    ...options,
    prefillCost: { baseSeconds: 0, perTokenSeconds: 0, perTokenSquaredSeconds: 0 },
  });
  const client = new chunk.ChunkEngineServiceClient(options.address, channelCredentials(options.tls), channel);
  const onError = (): void => undefined;
  return {
    engineId,
    client,
    timeouts,
    unary: createUnaryCaller({ engineId, deadlineMs: timeouts.unaryMs, onError }),
    longUnary: createUnaryCaller({ engineId, deadlineMs: Math.max(LONG_CALL_MS, timeouts.unaryMs), onError }),
  };
};
