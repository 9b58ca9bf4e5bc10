import { engineProfileNames } from '@holdfast/simulation';
import { Command, Option } from 'commander';

const DESCRIPTION = [
  'A simulated vLLM-style engine: real wire (vllm.grpc.engine.VllmEngine and holdfast.kv.v1.KvControl on one port, with ' +
    'reflection and grpc.health.v1), modelled KV cache, queue and step times, no GPU.',
  'Prints one JSON line on stdout when it serves: {"event":"ready","address":...,"epoch":...,"pid":...}. Logs go to ' +
    'stderr. SIGTERM or SIGINT ends it within two seconds. There is no authentication: keep it on loopback.',
].join('\n\n');

/** The command with all its options, as texts; `cli-options.ts` gives them meaning. */
export const commandLine = (version: string): Command =>
  new Command('holdfast-sim-engine')
    .description(DESCRIPTION)
    .version(version)
    .allowExcessArguments(false)
    .showHelpAfterError('(--help lists the options)')
    .option('--port <number>', 'TCP port; 0 takes a free one', '0')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--allow-remote', 'allow a --host that is not loopback', false)
    .option('--profile <name>', `speed and size: ${engineProfileNames.join(', ')}`, 'h100-llama-3.1-8b')
    .option('--time-scale <factor>', 'model seconds per real second', '1')
    .option('--seed <number>', 'decides, with the prompt, what is generated', '1')
    .option(
      '--tool-calls <number>',
      "calls of a prompt's tools for each message of the user, before words answer it",
      '0',
    )
    .option('--model <name>', 'served model name (default: sim-<model of the profile>)')
    .option('--kv-scale <factor>', "share of the profile's KV pool", '1')
    .option('--host-kv-scale <factor>', 'host memory for overwritten KV, of the KV pool; 0: none', '0')
    .option('--blocks <number>', 'KV blocks, instead of the profile and --kv-scale')
    .option('--block-size <tokens>', 'tokens in a block (default: of the profile)')
    .option('--max-running <number>', 'requests that run at once (default: of the profile)')
    .option('--token-budget <tokens>', 'tokens one step may compute (default: of the profile)')
    .option('--max-context <tokens>', 'prompt and output together (default: 131072, or the pool if smaller)')
    .option(
      '--vocab-size <ids>',
      'token ids below this are legal; 0 to 255 are bytes, most others have no name',
      '128256',
    )
    .option('--max-pinned-fraction <share>', 'share of the pool that hard pins may take together', '0.95')
    .option('--chunk-memory <MiB>', 'host memory for the KV of chunks: serves holdfast.chunk.v1 too; 0 does not', '0')
    .option('--chunk-disk <MiB>', 'files for the KV of chunks, behind --chunk-memory; 0 has none', '0')
    .option('--chunk-prefix-only', 'chunks are reused behind the same prefix only', false)
    .option(
      '--chunk-damage <nats>',
      'modelled divergence of an answer when everything is reused and nothing repaired',
      '0.1',
    )
    .option('--chunk-drift <nats>', 'how much --chunk-damage rises with each request', '0')
    .option('--epoch <name>', 'names this life of the engine (default: random)')
    .option('--stats-interval <ms>', 'model milliseconds between load records on an idle event stream', '1000')
    .addOption(
      new Option('--otlp-endpoint <url>', 'where spans of traced requests go, by OTLP over HTTP').env(
        'OTEL_EXPORTER_OTLP_ENDPOINT',
      ),
    )
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent', 'info');
