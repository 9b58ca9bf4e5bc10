import { parseArgs } from 'node:util';

const options = {
  port: { type: 'string', default: '0' },
  'kv-port': { type: 'string', default: '0' },
  stock: { type: 'boolean', default: false },
  blocks: { type: 'string', default: '256' },
  'max-model-len': { type: 'string', default: '4096' },
  'max-num-seqs': { type: 'string', default: '8' },
  'max-num-batched-tokens': { type: 'string', default: '512' },
  'max-pinned-fraction': { type: 'string' },
  'scheduling-policy': { type: 'string', default: 'priority' },
  threads: { type: 'string', default: '2' },
  'ready-within': { type: 'string', default: '300' },
  'exit-with-stdin': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

export const USAGE = `usage: node tools/vllm/serve.mjs [options]
  --port N                    port of VllmEngine; 0 picks a free one (default 0)
  --kv-port N                 port of KvControl; 0 picks a free one (default 0)
  --stock                     without the plug-in
  --blocks N                  KV blocks of 32 tokens (default 256: small, so that pressure shows)
  --max-model-len N           (default 4096)
  --max-num-seqs N            (default 8)
  --max-num-batched-tokens N  (default 512)
  --max-pinned-fraction X     share of the pool for hard pins, 0 to 1
  --scheduling-policy P       priority or fcfs (default priority)
  --threads N                 OpenMP threads (default 2)
  --ready-within S            seconds until health must say SERVING (default 300)
  --exit-with-stdin           stop when stdin ends: a parent that dies takes the engine with it`;

const integer = (name, text, { from, to }) => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= from && value <= to) return value;
  throw new Error(`--${name} is "${text}"; allowed is an integer from ${from} to ${to}`);
};

const choice = (name, text, allowed) => {
  if (allowed.includes(text)) return text;
  throw new Error(`--${name} is "${text}"; allowed: ${allowed.join(', ')}`);
};

const fraction = (name, text) => {
  const value = Number(text);
  if (text !== '' && value >= 0 && value <= 1) return value;
  throw new Error(`--${name} is "${text}"; allowed is a number from 0 to 1`);
};

/** Pure. The options of the launcher. Throws an Error that names the option, its value and what is allowed. */
export const readServeOptions = (args) => {
  const { values } = parseArgs({ args, options });
  const number = (name, range) => integer(name, values[name], range);
  return {
    port: number('port', { from: 0, to: 65_535 }),
    kvPort: number('kv-port', { from: 0, to: 65_535 }),
    isStock: values.stock,
    blocks: number('blocks', { from: 8, to: 1_000_000 }),
    maxModelLen: number('max-model-len', { from: 64, to: 8_192 }),
    maxNumSeqs: number('max-num-seqs', { from: 1, to: 1_024 }),
    maxNumBatchedTokens: number('max-num-batched-tokens', { from: 32, to: 65_536 }),
    maxPinnedFraction:
      values['max-pinned-fraction'] === undefined
        ? undefined
        : fraction('max-pinned-fraction', values['max-pinned-fraction']),
    schedulingPolicy: choice('scheduling-policy', values['scheduling-policy'], ['priority', 'fcfs']),
    threads: number('threads', { from: 1, to: 256 }),
    readyWithinMs: number('ready-within', { from: 1, to: 3_600 }) * 1_000,
    exitsWithStdin: values['exit-with-stdin'],
    wantsHelp: values.help,
  };
};
