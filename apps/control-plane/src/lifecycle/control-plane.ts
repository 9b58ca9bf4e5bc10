/**
 * Start and stop of the service, in order.
 *
 * Start: programs of before, engines, then callers. Stop: no new work, running turns end or are cut, the loop is
 * drained, everything is written, the pool is given up, traces go out, the database closes. What was acknowledged is
 * durable then, and a turn that was cut says so to its caller.
 */
import { runShutdown, type ShutdownStep, type Telemetry } from '@holdfast/platform';
import { millis, seconds, toMillisCeil, type Duration } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import type { RegisteredEngines } from '../engines/registered-engines.js';
import type { GrpcServer } from '../grpc/grpc-server.js';
import type { BackgroundWork } from '../jobs/background-work.js';
import type { Storage } from '../persistence/storage.js';
import { turnInterrupted } from '../programs/program-errors.js';
import type { ProgramServices } from '../programs/program-services.js';
import { restorePrograms } from '../programs/restore-programs.js';
import { cancelTurn } from '../programs/run-turn.js';

const SHORT = seconds(2);
const DATABASE = seconds(15);

/** What is started and stopped. */
export interface ControlPlaneOptions {
  readonly services: ProgramServices;
  readonly registeredEngines: RegisteredEngines;
  readonly grpc: GrpcServer;
  readonly background: BackgroundWork;
  readonly storage: Storage;
  readonly logger: Logger;
  /** How long running turns may go on at the end. */
  readonly drainLimit: Duration;
  /** The service cannot go on. */
  readonly onFatal: (error: unknown) => void;
  readonly telemetry: Telemetry;
}

/** What readiness depends on. */
export type ControlPlaneStatus = Readonly<Record<'listening' | 'accepting' | 'engines' | 'storage', boolean>>;

/** See the file header. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  #grpcAddress: string | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
  }

  /** Where ProgramService is served; null before the start. */
  get grpcAddress(): string | null {
    return this.#grpcAddress;
  }

  /** What readiness depends on. */
  get status(): ControlPlaneStatus {
    const { services, storage } = this.#options;
    return {
      listening: this.#grpcAddress !== null,
      accepting: !services.isDraining,
      engines: services.pool.engines.attached.length > 0,
      storage: storage.writer.failure === undefined && !storage.writer.isSaturated,
    };
  }

  /** Modifies state. */
  async start(): Promise<void> {
    const { services, registeredEngines, grpc, background, logger, storage } = this.#options;
    void storage.stopped.then((error) => this.#loseStorage(error));
    await background.prepare();
    const restored = await restorePrograms(services);
    if (restored > 0) logger.info({ programs: restored }, 'programs taken over');
    services.absence.changed();
    await services.pool.engines.start();
    await registeredEngines.restore();
    await background.start();
    this.#grpcAddress = await grpc.listen();
    grpc.setServing(true);
  }

  /** Modifies state. May be called again: all callers wait for the one stop. */
  stop(): Promise<void> {
    this.#stopping ??= this.#runSteps();
    return this.#stopping;
  }

  /** The pool is another replica's, or nothing can be written: from now on this one decides nothing. */
  #loseStorage(error: Error): void {
    const { services, storage, onFatal } = this.#options;
    services.drain();
    services.pool.post({ type: 'leaseLost', fencingToken: storage.lease.fencingToken });
    onFatal(error);
  }

  async #runSteps(): Promise<void> {
    await runShutdown(this.#steps(), this.#options.logger);
  }

  #steps(): ShutdownStep[] {
    const { services, grpc, background, storage, drainLimit, telemetry } = this.#options;
    const { pool } = services;
    return [
      { name: 'stop intake', deadline: SHORT, run: async () => this.#stopIntake() },
      // The limit is this step's own end, not a failure: what is left is cut next.
      {
        name: 'let turns end',
        deadline: millis(2 * (toMillisCeil(drainLimit) + 1_000)),
        run: () => atMost(toMillisCeil(drainLimit), pool.turns.untilEmpty()),
      },
      { name: 'cut the rest', deadline: SHORT, run: async () => this.#cutTurns() },
      { name: 'end calls', deadline: SHORT, run: () => grpc.close() },
      { name: 'cut calls', deadline: SHORT, run: async () => grpc.forceClose() },
      { name: 'drain pin commands', deadline: SHORT, run: () => pool.pinsIdle() },
      { name: 'end jobs', deadline: seconds(10), run: () => background.stopJobs() },
      { name: 'save statistics', deadline: SHORT, run: () => background.saveStatistics() },
      { name: 'stop the loop', deadline: SHORT, run: () => pool.stop() },
      { name: 'write the registry of chunks', deadline: DATABASE, run: () => services.chunks.close() },
      { name: 'write all', deadline: DATABASE, run: () => storage.journal.close() },
      { name: 'release the lease', deadline: SHORT, run: () => storage.lease.release() },
      { name: 'send traces', deadline: seconds(6), run: () => telemetry.shutdown() },
      { name: 'close the database', deadline: DATABASE, run: () => storage.database.close() },
      { name: 'stop PostgreSQL', deadline: DATABASE, run: async () => storage.postgres?.stop() },
    ];
  }

  #stopIntake(): void {
    const { services, grpc } = this.#options;
    services.drain();
    services.absence.close();
    grpc.setServing(false);
  }

  #cutTurns(): void {
    const { services } = this.#options;
    for (const turn of services.pool.turns.all()) cancelTurn(services, turn, turnInterrupted(turn.turnId));
    services.closeWatches();
    for (const program of services.book.all()) program.trace.handOver();
  }
}

const atMost = async (limitMs: number, work: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
};
