import { setTimeout as sleep } from 'node:timers/promises';
import { createVllmClient, type EngineClient } from '@holdfast/engines';
import type { EngineClientHarness } from '@holdfast/testing';
import { type VllmOptions, VllmProcess } from './vllm-process.js';

/** Prefill of SmolLM2-135M on two cores: about 0.6 ms a token. */
export const PREFILL_COST = { baseSeconds: 0.02, perTokenSeconds: 0.0006, perTokenSquaredSeconds: 0 };

/** True when the tests start the engine, false when it is one that the user runs (HOLDFAST_VLLM_URL). */
export const isOurs = (process.env['HOLDFAST_VLLM_URL'] ?? '') === '';

/** A client of the engine that has read its facts. */
export const attachedClient = async (engine: VllmProcess): Promise<EngineClient> => {
  const { address, kvControlAddress } = engine;
  const client = createVllmClient({
    engineId: 'vllm',
    address,
    prefillCost: PREFILL_COST,
    ...(kvControlAddress === undefined ? {} : { kvControlAddress }),
  });
  await client.info();
  return client;
};

/** Gives every pin of the engine up. */
export const releaseAll = async (client: EngineClient): Promise<void> => {
  const { epoch, pins } = await client.listPins();
  for (const { programId } of pins) await client.release(programId, epoch);
};

/**
 * One engine for all groups of a conformance suite, since a start takes half a minute. Each group gets it idle and
 * without pins; no group uses a prompt of another.
 */
export class SharedVllm {
  readonly #options: VllmOptions;
  #engine: VllmProcess | undefined;

  constructor(options: VllmOptions = {}) {
    this.#options = options;
  }

  /** The engine, started when it is needed first. */
  async engine(): Promise<VllmProcess> {
    this.#engine ??= await VllmProcess.start(this.#options);
    return this.#engine;
  }

  /** A harness for one group of cases. */
  async harness(): Promise<EngineClientHarness> {
    const client = await attachedClient(await this.engine());
    if (this.#options.isStock !== true) await releaseAll(client);
    return {
      client,
      // A step of the engine, on a busy machine.
      idleWithinMs: 10_000,
      passTime: (milliseconds) => sleep(milliseconds),
      stop: async () => await this.#engine?.kill(),
      start: async () => {
        const args = [...(this.#options.args ?? []), ...(this.#engine?.portArgs ?? [])];
        this.#engine = await VllmProcess.start({ ...this.#options, args });
      },
      dispose: async () => client.close(),
    };
  }

  /** Ends the engine. */
  async stop(): Promise<void> {
    await this.#engine?.stop();
  }
}
