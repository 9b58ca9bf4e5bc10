/** The chunk engine as a process of its own, with the small model, on one port and one folder through all its lives. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import getPort from 'get-port';
import { LaunchedProcess, REPOSITORY } from '../vllm/support/launched-process.js';

const READY_WITHIN_MS = 180_000;

/** Set by `npm run test:chunks`. */
const setting = (name: 'TEST_CHUNKS_PYTHON' | 'TEST_CHUNKS_MODEL'): string => {
  const value = process.env[name] ?? '';
  if (value === '') throw new Error(`${name} is not set; run these tests by: npm run test:chunks`);
  return value;
};

/** See the file header. `start`, `kill`, `start` ... `remove`. */
export class ChunkEngineProcess {
  #process: LaunchedProcess | null = null;

  private constructor(
    readonly address: string,
    readonly folder: string,
  ) {}

  static async start(): Promise<ChunkEngineProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-chunks-'));
    const engine = new ChunkEngineProcess(`127.0.0.1:${await getPort()}`, folder);
    await engine.start();
    return engine;
  }

  /** Begins a life; resolves when it serves. */
  async start(): Promise<void> {
    const place = ['--model', setting('TEST_CHUNKS_MODEL'), '--address', this.address, '--folder', this.folder];
    this.#process = new LaunchedProcess({
      name: 'the chunk engine',
      command: setting('TEST_CHUNKS_PYTHON'),
      args: ['-m', 'holdfast_chunks.service.main', ...place, '--cpu', '--threads', '1', '--exit-with-stdin'],
      env: { PYTHONPATH: join(REPOSITORY, 'apps/chunk-engine/src') },
      readyWithinMs: READY_WITHIN_MS,
    });
    await this.#process.ready();
  }

  /** Ends it without a chance to clean up. */
  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL');
    await this.#process?.ended();
  }

  /** Ends it in order, and removes its files. */
  async remove(): Promise<void> {
    await this.#process?.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Names of its files, sorted. */
  async files(): Promise<readonly string[]> {
    return (await readdir(this.folder)).sort();
  }
}

/** Pure. The file of a variant, as docs/chunk-engine.md tells it. */
export const fileOf = ({
  variantId,
  generation,
}: {
  readonly variantId: string;
  readonly generation: bigint;
}): string => `${createHash('sha256').update(`${generation}/${variantId}`).digest('hex')}.safetensors`;
