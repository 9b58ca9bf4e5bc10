/**
 * Lets what the policies have learned outlive the process.
 *
 * The kernel's statistics are saved at intervals and at the end, and told to the next kernel as an event. Somebody else
 * may store newer ones meanwhile (a refit, whichever process ran it): the version of the row tells, and the kernel is
 * told those instead of overwriting them.
 */
import type { JsonValue, StatisticsRepository } from '@holdfast/persistence';
import { initialStatistics, parsePolicy, policyNames, type StatisticsDocument } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import type { Pool } from '../scheduling/pool.js';

/** What was learned in this time is lost with a process that is killed. */
const INTERVAL_MS = 30_000;

export interface StatisticsKeeperOptions {
  readonly poolId: string;
  readonly pool: Pick<Pool, 'post' | 'statistics' | 'now'>;
  readonly repository: StatisticsRepository;
  readonly logger: Logger;
}

/** See the file header. */
export class StatisticsKeeper {
  readonly #options: StatisticsKeeperOptions;
  #version = 0;
  #saved = '';
  #timer: NodeJS.Timeout | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(options: StatisticsKeeperOptions) {
    this.#options = options;
  }

  /** Modifies state. Tells the kernel what is stored, and keeps what it learns from now on. */
  async start(): Promise<void> {
    await this.synchronise();
    this.#timer = setInterval(() => {
      this.synchronise().catch((err: unknown) =>
        this.#options.logger.warn({ err }, 'learned statistics could not be saved; they will be later'),
      );
    }, INTERVAL_MS);
  }

  /** Modifies state. Saves once more. */
  async stop(): Promise<void> {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    await this.synchronise();
  }

  /** Modifies state. Takes what somebody else has stored, or stores what was learned. */
  synchronise(): Promise<void> {
    return this.#oneAfterTheOther(() => this.#exchange());
  }

  /** Modifies state. All that was learned is forgotten, and is not learned again from what is recorded. */
  reset(): Promise<void> {
    return this.#oneAfterTheOther(async () => {
      await this.#exchange();
      await this.#forget(null);
      const policies = policyNames().map(({ name }) => initialStatistics(parsePolicy(name)).policies);
      this.#tell({ version: 1, policies: Object.assign({}, ...policies) as StatisticsDocument['policies'] });
      await this.#exchange();
    });
  }

  /** What was learned of a tool is not to be learned again from what is recorded: the next refit is without it. */
  forgetTool(tool: string): Promise<void> {
    return this.#oneAfterTheOther(async () => {
      await this.#exchange();
      await this.#forget(tool);
    });
  }

  #forget(tool: string | null): Promise<void> {
    const { repository, poolId, pool } = this.#options;
    return repository.forget(poolId, tool, pool.now());
  }

  #oneAfterTheOther(step: () => Promise<void>): Promise<void> {
    const done = this.#work.then(step);
    // A failed step is its caller's; the next one goes on.
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #exchange(): Promise<void> {
    const { repository, poolId, pool } = this.#options;
    if ((await repository.version(poolId)) > this.#version) {
      const stored = await repository.get(poolId);
      if (stored === undefined) return;
      this.#version = stored.version;
      this.#tell(stored.document as unknown as StatisticsDocument);
      this.#saved = JSON.stringify(pool.statistics());
      return;
    }
    const document = pool.statistics();
    const text = JSON.stringify(document);
    if (text === this.#saved) return;
    const next = { document: document as unknown as JsonValue, savedAt: pool.now() };
    // False: somebody was faster, and the next exchange takes theirs.
    if (!(await repository.save(poolId, this.#version, next))) return;
    this.#version += 1;
    this.#saved = text;
  }

  #tell(document: StatisticsDocument): void {
    this.#options.pool.post({ type: 'statisticsLoaded', document });
  }
}
