import { MODEL_NAME } from './versions.mjs';

/** Tokens in a block: the attention of the CPU build wants a multiple of 32. */
const BLOCK_TOKENS = 32;

/** Pure. The arguments and the environment of `vllm serve --grpc`. */
export const vllmCommand = (options, { places, ports, eventsSocket }) => {
  const { isStock } = options;
  const args = [
    ...['serve', places.model, '--grpc', '--host', '127.0.0.1', '--port', String(ports.engine)],
    ...['--served-model-name', MODEL_NAME, '--dtype', 'bfloat16', '--enforce-eager'],
    ...['--block-size', String(BLOCK_TOKENS), '--num-gpu-blocks-override', String(options.blocks)],
    ...['--max-model-len', String(options.maxModelLen), '--max-num-seqs', String(options.maxNumSeqs)],
    ...['--max-num-batched-tokens', String(options.maxNumBatchedTokens)],
    ...['--scheduling-policy', options.schedulingPolicy],
    // A socket file of this run: the default endpoint listens on all interfaces, on one port for every engine.
    ...[
      '--kv-events-config',
      JSON.stringify({ enable_kv_cache_events: true, publisher: 'zmq', endpoint: `ipc://${eventsSocket}` }),
    ],
  ];
  if (!isStock) {
    const holdfast = { kv_control_address: `127.0.0.1:${ports.kvControl}` };
    if (options.maxPinnedFraction !== undefined) holdfast.max_pinned_fraction = options.maxPinnedFraction;
    args.push('--scheduler-cls', 'holdfast_vllm.HoldfastScheduler');
    args.push('--additional-config', JSON.stringify({ holdfast }));
  }
  const env = {
    VLLM_CPU_OMP_THREADS_BIND: 'nobind',
    OMP_NUM_THREADS: String(options.threads),
    // Threads that wait sleep instead of spinning. Spinning is a tenth faster on an idle machine; where anything else wants
    // the cores, a spinning thread keeps the one that it waits for from running, and a token takes a second.
    OMP_WAIT_POLICY: 'PASSIVE',
    KMP_BLOCKTIME: '0',
    VLLM_CPU_KVCACHE_SPACE: '1',
    VLLM_NO_USAGE_STATS: '1',
    HF_HUB_OFFLINE: '1',
    SMG_VLLM_SERVICER_WARMUP: 'off',
  };
  return { args, env };
};
