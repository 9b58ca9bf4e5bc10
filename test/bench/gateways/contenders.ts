/** Ways to one and the same engine: its own front, Holdfast, and gateways that others wrote. */
import { credentials } from '@grpc/grpc-js';
import { vllm } from '@holdfast/contracts';
import { BuiltProcess, ServiceProcesses } from '@holdfast/testing/processes';
import getPort from 'get-port';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway } from '../../vllm/support/gateway.js';
import { LaunchedProcess } from '../../vllm/support/launched-process.js';
import { HttpChat, rendered, type Answer, type Ask } from './http-chat.js';

/** The model that the engine serves. */
export const MODEL = 'sim-llama-3.1-8b';

/** Faster than life, and yet such that what the service does by the clock of its engines does not crowd out the turns. */
const TIME_SCALE = 10;
const READY_WITHIN_MS = 300_000;
const POLL_MS = 500;

/** One way to the engine. */
export interface Contender {
  readonly name: string;
  readonly ask: Ask;
}

/** Everything that was started. */
export interface Contenders {
  readonly all: readonly Contender[];
  /** Of Holdfast's service. */
  readonly controlPlanePid: number;
  stop(): Promise<void>;
}

/** Where and how. */
export interface ContendersOptions {
  /** Folder of the gateways' programs. */
  readonly bin: string;
  /** More of the environment of Holdfast's service. */
  readonly env: Readonly<Record<string, string>>;
  readonly say: (what: string) => void;
}

/** Starts one engine and all ways to it. */
export const startContenders = async ({ bin, env, say }: ContendersOptions): Promise<Contenders> => {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-gateways-'));
  const stops: (() => Promise<void> | void)[] = [() => rmSync(scratch, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    let engineAddress = '';
    const services = new ServiceProcesses({
      engines: 1,
      timeScale: TIME_SCALE,
      engineArgs: ['--model', MODEL],
      // In the service's time, which runs so much faster.
      env: { HOLDFAST_OPENAI_IDLE_LIMIT: '8000h', ...env },
      through: (address) => {
        engineAddress = address;
        return Promise.resolve(address);
      },
    });
    stops.push(() => services.stop());
    say('Holdfast');
    await services.start();
    say('smg');
    const smg = await startGateway({ workerAddress: engineAddress, model: MODEL, executable: join(bin, 'smg') });
    stops.push(() => smg.stop());
    say('litellm, before smg since it does not speak the wire of engines');
    const litellm = await startLitellm({ bin, scratch, upstream: `${smg.url}/v1` });
    stops.push(() => litellm.stop());
    say('a relay on Node');
    const relay = new BuiltProcess({ entry: 'test/dist/bench/gateways/node-relay.js', args: [engineAddress] });
    stops.push(() => relay.stop());
    const { port: relayPort = '' } = await relay.ready();
    const engine = new EngineFront(engineAddress);
    stops.push(() => engine.close());
    const overHttp = (name: string, baseUrl: string): Contender => {
      const chat = new HttpChat(baseUrl, MODEL);
      stops.push(() => chat.close());
      return { name, ask: (messages, maxTokens) => chat.ask(messages, maxTokens) };
    };
    const all = [
      { name: 'engine', ask: engine.ask },
      overHttp('holdfast', `http://${services.httpAddress}/v1`),
      overHttp('smg', `${smg.url}/v1`),
      overHttp('node relay', `http://127.0.0.1:${relayPort}/v1`),
      overHttp('litellm + smg', `${litellm.url}/v1`),
    ];
    return { all, controlPlanePid: services.controlPlane.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

/** The engine's own front: gRPC, streamed. */
class EngineFront {
  readonly #client: vllm.VllmEngineClient;
  #requests = 0;

  constructor(address: string) {
    this.#client = new vllm.VllmEngineClient(address, credentials.createInsecure());
  }

  readonly ask: Ask = (messages, maxTokens) => {
    this.#requests += 1;
    const request = vllm.GenerateRequest.create({
      requestId: `direct-${this.#requests}`,
      input: { $case: 'text', value: rendered(messages) },
      samplingParams: vllm.SamplingParams.create({ maxTokens }),
      stream: true,
    });
    const startedAt = performance.now();
    return new Promise<Answer>((resolve, reject) => {
      let ttftMs = 0;
      const ids: number[] = [];
      this.#client
        .generate(request)
        .on('data', ({ response }: vllm.GenerateResponse) => {
          if (response?.$case !== 'chunk') return;
          if (ids.length === 0) ttftMs = performance.now() - startedAt;
          ids.push(...response.value.tokenIds);
        })
        .on('error', reject)
        .on('end', () =>
          resolve({ text: Buffer.from(ids).toString('utf8'), ttftMs, totalMs: performance.now() - startedAt }),
        );
    });
  };

  close(): void {
    this.#client.close();
  }
}

interface LitellmOptions {
  readonly bin: string;
  readonly scratch: string;
  readonly upstream: string;
}

/** litellm's proxy with one model, as its documentation says, and nothing beside. */
const startLitellm = async ({
  bin,
  scratch,
  upstream,
}: LitellmOptions): Promise<{ readonly url: string; stop(): Promise<void> }> => {
  const config = join(scratch, 'litellm.yaml');
  writeFileSync(
    config,
    `model_list:
  - model_name: ${MODEL}
    litellm_params:
      model: openai/${MODEL}
      api_base: ${upstream}
      api_key: none
`,
  );
  const port = await getPort({ host: '127.0.0.1' });
  const proxy = new LaunchedProcess({
    name: 'litellm',
    command: join(bin, 'litellm'),
    args: ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'],
    // It counts tokens now and then with a tokenizer that it looks for by the model's name: without a network that is half
    // a minute of tries, which are not its speed.
    env: {
      LITELLM_LOG: 'ERROR',
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      LITELLM_MODE: 'PRODUCTION',
      HF_HUB_OFFLINE: '1',
    },
    readyWithinMs: READY_WITHIN_MS,
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await isAlive(`${url}/health/liveliness`))) {
    if (Date.now() > deadline) {
      await proxy.stop();
      throw new Error(`litellm does not serve; its log ends with:\n${proxy.log}`);
    }
    await sleep(POLL_MS);
  }
  // It waits for requests that it will never answer; killed then.
  return { url, stop: () => proxy.stop().catch(() => undefined) };
};

const isAlive = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false; // It does not listen yet.
  }
};
