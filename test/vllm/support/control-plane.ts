import { join } from 'node:path';
import { LaunchedProcess, REPOSITORY, textOf } from './launched-process.js';

/** What the control plane is to do. */
export interface ControlPlaneOptions {
  /** As HOLDFAST_ENGINES wants them. */
  readonly engines: readonly string[];
  readonly policy: string;
  readonly databaseUrl: string;
  /** Pools share the database. */
  readonly pool: string;
  /** Turns without a first token that the engine may have at once. */
  readonly dispatchWindow: number;
  /** Seconds: base, per token, per token squared. */
  readonly prefillCost: string;
}

const READY_WITHIN_MS = 60_000;

/** A running control plane. */
export interface ControlPlane {
  /** Where ProgramService is served, as host:port. */
  readonly address: string;
  /** Where the OpenAI API is served, as host:port. */
  readonly httpAddress: string;
  readonly process: LaunchedProcess;
}

/** Starts the built control plane. Resolves when it serves and has attached the engines. */
export const startControlPlane = async (options: ControlPlaneOptions): Promise<ControlPlane> => {
  const launched = new LaunchedProcess({
    name: 'the control plane',
    command: process.execPath,
    args: [join(REPOSITORY, 'apps/control-plane/dist/main.js')],
    readyWithinMs: READY_WITHIN_MS,
    env: {
      HOLDFAST_GRPC_ADDRESS: '127.0.0.1:0',
      HOLDFAST_HTTP_ADDRESS: '127.0.0.1:0',
      HOLDFAST_ENGINES: options.engines.join(','),
      HOLDFAST_POLICY: options.policy,
      HOLDFAST_POOL: options.pool,
      HOLDFAST_DISPATCH_WINDOW: String(options.dispatchWindow),
      HOLDFAST_PREFILL_COST: options.prefillCost,
      HOLDFAST_DRAIN_LIMIT: '1s',
      HOLDFAST_LOG_LEVEL: 'warn',
      DATABASE_URL: options.databaseUrl,
      // The launcher's own; the service refuses settings of its prefix that it does not know.
      HOLDFAST_VLLM_URL: undefined,
      HOLDFAST_KV_CONTROL_ADDRESS: undefined,
    },
  });
  try {
    const ready = await launched.ready();
    return { address: textOf(ready, 'grpc'), httpAddress: textOf(ready, 'http'), process: launched };
  } catch (error) {
    await launched.stop();
    throw error;
  }
};
