import { Client } from '@grpc/grpc-js';
import { kv, vllm } from '@holdfast/contracts';
import type { EngineDescription, PrefillCost } from '@holdfast/scheduling';
import { EngineError } from '../engine-error.js';
import { type UnaryCaller, channelCredentials, channelOptions, createUnaryCaller } from './channel.js';
import { SAMPLING_FEATURES, type SamplingFeature } from '../sampling-features.js';
import { RequestStreams } from './request-streams.js';
import { type VllmClientOptions, type VllmTimeouts, resolveTimeouts } from './options.js';

/** The connections to one engine and what is known about it. The parts of the client share it. */
export interface EngineLink {
  readonly engineId: string;
  readonly prefillCost: PrefillCost;
  readonly engine: vllm.VllmEngineClient;
  readonly kvControl: kv.KvControlClient;
  /** True when KvControl is looked for on an address of its own. */
  readonly hasOwnKvAddress: boolean;
  readonly timeouts: Required<VllmTimeouts>;
  readonly requestStreams: RequestStreams;
  readonly unary: UnaryCaller;
  /** What `info` found last. */
  description: EngineDescription | undefined;
  /** Likewise; until then all of the wire's, and the engine refuses by itself. */
  samplingFeatures: readonly SamplingFeature[];
  /** Counts the losses of the connection since the link was made: the nearest thing to an epoch of a stock engine. */
  losses: number;
  close(): void;
}

/** Opens the channels; they connect with the first call. */
export const openEngineLink = (options: VllmClientOptions): EngineLink => {
  const credentials = channelCredentials(options.tls);
  const channel = channelOptions(options);
  const timeouts = resolveTimeouts(options.timeouts);
  const engine = new vllm.VllmEngineClient(options.address, credentials, channel);
  const hasOwnKvAddress = options.kvControlAddress !== undefined && options.kvControlAddress !== options.address;
  const kvControl = hasOwnKvAddress
    ? new kv.KvControlClient(options.kvControlAddress, credentials, channel)
    : new kv.KvControlClient(options.address, credentials, { channelOverride: engine.getChannel() });
  const requestStreams = new RequestStreams(options.address, engine, timeouts);
  const link: EngineLink = {
    engineId: options.engineId,
    prefillCost: options.prefillCost,
    engine,
    kvControl,
    hasOwnKvAddress,
    timeouts,
    requestStreams,
    unary: createUnaryCaller({
      engineId: options.engineId,
      deadlineMs: timeouts.unaryMs,
      // KvControl on its own address may be absent for good, which says nothing about the engine.
      onError: (error, client) => (client === engine ? noteLoss(link, error) : undefined),
    }),
    description: undefined,
    samplingFeatures: SAMPLING_FEATURES,
    losses: 0,
    close: () => {
      requestStreams.close();
      [engine, kvControl].forEach((client: Client) => client.close());
    },
  };
  return link;
};

/** Remembers that the engine was gone. Modifies state. */
export const noteLoss = (link: EngineLink, error: unknown): void => {
  if (error instanceof EngineError && error.reason === 'ENGINE_UNREACHABLE') link.losses += 1;
};
