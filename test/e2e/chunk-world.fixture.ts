/** A control plane with keys and a simulated engine that stores chunks, as processes, and tenants that ask it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { Holdfast, type Chunk, type TurnOptions, type TurnResult } from '@holdfast/sdk';
import { BuiltProcess, ServiceProcesses } from '@holdfast/testing';

const MOST_ATTEMPTS = 400;
const SYSTEM = 'You answer from the passages only, in one sentence.';

/** What is not as usual. */
export interface ChunkWorldOptions {
  readonly engineArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Model seconds a second. */
  readonly timeScale?: number;
}

/** A stored variant as REST lists it. */
export interface ListedVariant {
  readonly variantId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly source: string;
  readonly sourceVersion: string;
  readonly foundation: string;
  readonly sizeBytes: number;
}

/** A passage of about `words * 6` tokens. */
export const passage = (name: string, { source = 'handbook', sourceVersion = '1', words = 60 } = {}): Chunk => ({
  id: name,
  text: `Passage ${name}. ${`What ${name} says. `.repeat(words / 3)}`,
  source,
  sourceVersion,
});

/** Looks again and again, for a while. */
export const until = async <Value>(look: () => Promise<Value>, isGood: (value: Value) => boolean): Promise<Value> => {
  let value = await look();
  for (let attempt = 1; !isGood(value); attempt += 1) {
    if (attempt === MOST_ATTEMPTS) throw new Error(`it did not become as wanted: ${JSON.stringify(value)}`);
    await sleep(50);
    value = await look();
  }
  return value;
};

/** What is asked of the model. */
export const questionOf = (chunks: readonly Chunk[], question = 'What do they say?'): TurnOptions => ({
  messages: [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: question },
  ],
  chunks,
  maxTokens: 2,
});

/** A tenant with a key. */
export class ChunkTenant {
  constructor(
    private readonly world: ChunkWorld,
    readonly tenantId: string,
    readonly key: string,
  ) {}

  /** A question behind passages. */
  async ask(chunks: readonly Chunk[], question = 'What do they say?'): Promise<TurnResult> {
    const holdfast = this.world.connect(this.key);
    return holdfast.run({ name: 'rag' }, (program) => program.turn({ ...questionOf(chunks, question), last: true }));
  }

  /** Asks until the answer is as wanted: an engine that is attached anew is reconciled beside the turns. */
  askUntil(chunks: readonly Chunk[], isGood: (turn: TurnResult) => boolean): Promise<TurnResult> {
    return until(() => this.ask(chunks), isGood);
  }

  /** Calls REST; `path` is below /api/v1. @throws Error for an answer that is no success. */
  async call<Body = unknown>(method: string, path: string, body?: object, headers: object = {}): Promise<Body> {
    const { body: answer } = await this.send<Body>(method, path, body, headers);
    return answer;
  }

  /** As `call`, with the version that the answer names. */
  async send<Body>(
    method: string,
    path: string,
    body?: object,
    headers: object = {},
  ): Promise<{ readonly body: Body; readonly etag: string }> {
    const response = await fetch(`http://${this.world.services.httpAddress}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return { body: JSON.parse(text) as Body, etag: response.headers.get('etag') ?? '' };
  }

  /** What is stored of this tenant. */
  async stored(): Promise<readonly ListedVariant[]> {
    const { items } = await this.call<{ items: ListedVariant[] }>('GET', '/chunks?pageSize=200');
    return items;
  }

  /** Looks until something holds of what is stored. */
  storedUntil(isGood: (stored: readonly ListedVariant[]) => boolean): Promise<readonly ListedVariant[]> {
    return until(() => this.stored(), isGood);
  }
}

/** See the file header. */
export class ChunkWorld {
  readonly #options: ChunkWorldOptions;
  readonly #connections = new Map<string, Holdfast>();
  #folder = '';
  #engine: BuiltProcess | null = null;
  #engineAddress = '';
  #postgres: EmbeddedPostgres | null = null;
  #services: ServiceProcesses | null = null;
  #admin: ChunkTenant | null = null;

  constructor(options: ChunkWorldOptions = {}) {
    this.#options = options;
  }

  get services(): ServiceProcesses {
    if (this.#services === null) throw new Error('the services were not started');
    return this.#services;
  }

  /** Of the database. */
  get databaseUrl(): string {
    return this.#postgres?.url ?? '';
  }

  /** Whoever operates the service. */
  get admin(): ChunkTenant {
    if (this.#admin === null) throw new Error('the services were not started');
    return this.#admin;
  }

  /** Modifies state. `stop` is due also when this rejects. */
  async start(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'holdfast-chunks-'));
    this.#postgres = await startPostgres({ durable: false });
    await this.startEngine();
    const keyFile = join(this.#folder, 'admin.key');
    this.#services = new ServiceProcesses({
      engines: 0,
      timeScale: this.#timeScale,
      env: {
        DATABASE_URL: this.#postgres.url,
        HOLDFAST_CHUNK_ENGINES: this.#engineAddress,
        HOLDFAST_AUTH: 'keys',
        HOLDFAST_ADMIN_KEY_FILE: keyFile,
        HOLDFAST_REST_RATE: '100000',
        ...this.#options.env,
      },
    });
    await this.#services.start();
    this.#admin = new ChunkTenant(this, 'default', (await readFile(keyFile, 'utf8')).trim());
  }

  /** Modifies state. An engine at the address of the one before, if there was one. */
  async startEngine(args: readonly string[] = []): Promise<void> {
    const port = this.#engineAddress === '' ? '0' : this.#engineAddress.split(':')[1]!;
    const { engineArgs = [] } = this.#options;
    const own = ['--port', port, '--time-scale', String(this.#timeScale), '--log-level', 'warn'];
    this.#engine = new BuiltProcess({
      entry: 'apps/sim-engine/dist/main.js',
      args: [...own, '--chunk-memory', '4096', ...engineArgs, ...args],
    });
    this.#engineAddress = (await this.#engine.ready())['address'] ?? '';
  }

  /** Modifies state. */
  async killEngine(): Promise<void> {
    this.#engine?.signal('SIGKILL');
    await this.#engine?.ended(20_000);
  }

  /** Modifies state. The control plane ends, and another one takes over. */
  async restartControlPlane(): Promise<void> {
    this.services.controlPlane.signal('SIGKILL');
    await this.services.controlPlane.ended(20_000);
    await this.services.startControlPlane();
  }

  /** Makes a tenant. */
  async tenant(tenantId: string): Promise<ChunkTenant> {
    const noLimits = { maxLivePrograms: null, turnsPerSecond: null, maxPinnedTokens: null };
    await this.admin.call('POST', '/tenants', { tenantId, name: tenantId, ...noLimits });
    const made = await this.admin.call<{ key: string }>('POST', '/keys', {
      ...{ tenantId, role: 'admin', name: tenantId, expiresInSeconds: null },
    });
    return new ChunkTenant(this, tenantId, made.key);
  }

  /** The SDK with a key. */
  connect(key: string): Holdfast {
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const holdfast = new Holdfast({ address: this.services.address, apiKey: key });
    this.#connections.set(key, holdfast);
    return holdfast;
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    for (const holdfast of this.#connections.values()) holdfast.close();
    await this.#services?.stop();
    await this.#engine?.stop();
    await this.#postgres?.stop();
    if (this.#folder !== '') await rm(this.#folder, { recursive: true, force: true });
  }

  get #timeScale(): number {
    return this.#options.timeScale ?? 50;
  }
}
