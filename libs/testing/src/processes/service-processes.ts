import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { BuiltProcess } from './built-process.js';

/** What to start besides a database. */
export interface ServiceProcessesOptions {
  readonly engines: number;
  readonly timeScale: number;
  /** More of the control plane's environment; `DATABASE_URL` or `HOLDFAST_DATA_DIR` replace the database of its own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly engineArgs?: readonly string[];
  /** Puts something between the control plane and an engine; returns the address to use instead. */
  readonly through?: (engineAddress: string) => Promise<string>;
}

/** A control plane with simulated engines and a database, each a process of its own. */
export class ServiceProcesses {
  readonly engines: BuiltProcess[] = [];
  readonly #options: ServiceProcessesOptions;
  #postgres: EmbeddedPostgres | null = null;
  #controlPlane: BuiltProcess | null = null;
  #environment: Readonly<Record<string, string>> = {};
  #address = '';
  #httpAddress = '';

  constructor(options: ServiceProcessesOptions) {
    this.#options = options;
  }

  /** Where ProgramService is served, as host:port. */
  get address(): string {
    return this.#address;
  }

  /** Where the OpenAI API, REST and health are served, as host:port. */
  get httpAddress(): string {
    return this.#httpAddress;
  }

  /** The control plane that runs now. */
  get controlPlane(): BuiltProcess {
    if (this.#controlPlane === null) throw new Error('the control plane was not started');
    return this.#controlPlane;
  }

  /** Starts everything. `stop` is due also when this rejects. */
  async start(): Promise<void> {
    const { env = {}, timeScale, through = async (address: string) => address } = this.#options;
    const addresses = await Promise.all(
      Array.from({ length: this.#options.engines }, async () => through(await this.#startEngine())),
    );
    const ownsDatabase = env['DATABASE_URL'] === undefined && env['HOLDFAST_DATA_DIR'] === undefined;
    this.#postgres = ownsDatabase ? await startPostgres({ durable: false }) : null;
    this.#environment = {
      HOLDFAST_GRPC_ADDRESS: '127.0.0.1:0',
      HOLDFAST_HTTP_ADDRESS: '127.0.0.1:0',
      HOLDFAST_ENGINES: addresses.join(','),
      HOLDFAST_TIME_SCALE: String(timeScale),
      HOLDFAST_PROGRAM_IDLE_LIMIT: '24h',
      HOLDFAST_ENGINE_ABSENCE_LIMIT: '1h',
      HOLDFAST_CALLER_STALL_LIMIT: '1h',
      HOLDFAST_DRAIN_LIMIT: '1s',
      HOLDFAST_LOG_LEVEL: 'warn',
      ...(this.#postgres === null ? {} : { DATABASE_URL: this.#postgres.url }),
      ...env,
    };
    await this.startControlPlane();
  }

  /** Starts a control plane, at the address of the one before if there was one. Modifies state. */
  async startControlPlane(): Promise<void> {
    const env = { ...this.#environment, ...(this.#address === '' ? {} : { HOLDFAST_GRPC_ADDRESS: this.#address }) };
    this.#controlPlane = new BuiltProcess({ entry: 'apps/control-plane/dist/main.js', env });
    const { grpc = '', http = '' } = await this.#controlPlane.ready();
    this.#address = grpc;
    this.#httpAddress = http;
  }

  /** Ends everything, in order. Modifies state. */
  async stop(): Promise<void> {
    // Whatever hangs, nothing else is left behind.
    const ends = await Promise.allSettled([this.#controlPlane?.stop()]);
    ends.push(...(await Promise.allSettled(this.engines.map((engine) => engine.stop()))));
    await this.#postgres?.stop();
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async #startEngine(): Promise<string> {
    const { timeScale, engineArgs = [] } = this.#options;
    const args = ['--port', '0', '--time-scale', String(timeScale), '--log-level', 'warn', ...engineArgs];
    const engine = new BuiltProcess({ entry: 'apps/sim-engine/dist/main.js', args });
    this.engines.push(engine);
    return (await engine.ready())['address'] ?? '';
  }
}
