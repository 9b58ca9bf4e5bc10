import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import getPort from 'get-port';
import { LaunchedProcess, REPOSITORY } from './launched-process.js';

/** The gateway of the SMG project: a client of the wire that was written by others. */
export interface Gateway {
  /** Base of its OpenAI interface. */
  readonly url: string;
  stop(): Promise<void>;
}

const READY_DEADLINE_MS = 60_000;
const POLL_MS = 250;

/** What to put the gateway before. */
export interface GatewayOptions {
  /** host:port of a gRPC worker. */
  readonly workerAddress: string;
  /** The model that it serves. */
  readonly model: string;
  /** The program; default: that of tools/vllm/setup.mjs. */
  readonly executable?: string;
}

const installed = (): string => {
  const cache = process.env['HOLDFAST_VLLM_CACHE'] ?? join(homedir(), '.cache/holdfast/vllm');
  const path = join(cache, 'gateway/bin/smg');
  if (existsSync(path)) return path;
  throw new Error(`${path} is not there; set it up: node ${join(REPOSITORY, 'tools/vllm/setup.mjs')}`);
};

/** Starts the gateway in front of one gRPC worker, as its own documentation says. Resolves when it knows the model. */
export const startGateway = async ({ workerAddress, model, executable }: GatewayOptions): Promise<Gateway> => {
  const [port, metricsPort] = [await getPort({ host: '127.0.0.1' }), await getPort({ host: '127.0.0.1' })];
  const gateway = new LaunchedProcess({
    name: 'the gateway',
    command: executable ?? installed(),
    args: [
      ...['launch', '--host', '127.0.0.1', '--port', String(port)],
      ...['--worker-urls', `grpc://${workerAddress}`, '--backend', 'vllm'],
      ...['--prometheus-host', '127.0.0.1', '--prometheus-port', String(metricsPort), '--log-level', 'warn'],
    ],
    readyWithinMs: READY_DEADLINE_MS,
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (!(await knowsModel(url, model))) {
    if (Date.now() > deadline) {
      await gateway.stop();
      throw new Error(`the gateway does not know ${model}; its log ends with:\n${gateway.log}`);
    }
    await sleep(POLL_MS);
  }
  return { url, stop: () => gateway.stop() };
};

const knowsModel = async (url: string, model: string): Promise<boolean> => {
  try {
    const response = await fetch(`${url}/v1/models`);
    return response.ok && (await response.text()).includes(`"${model}"`);
  } catch {
    return false; // It does not listen yet.
  }
};

/** An OpenAI chat completion, as far as it is looked at. */
export interface ChatCompletion {
  readonly choices: readonly {
    readonly finish_reason: string;
    readonly message: { readonly content: string };
  }[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

/** Asks through the gateway; the tokenizer may still be on its way from the worker. */
export const chat = async (gateway: Gateway, body: object): Promise<ChatCompletion> => {
  const deadline = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (response.ok) return (await response.json()) as ChatCompletion;
    const problem = `${response.status}: ${await response.text()}`;
    if (response.status < 500 || Date.now() > deadline) throw new Error(problem);
    await sleep(POLL_MS);
  }
};
