import type { ProgramRepository, RequestRepository, TurnRepository } from '@holdfast/persistence';
import type { DomainError } from '@holdfast/platform';
import type { Duration, ProgramId } from '@holdfast/scheduling';
import type { ChunkManager } from '../chunks/chunk-manager.js';
import type { EngineAbsence } from '../engines/engine-absence.js';
import type { TenantQuotas } from '../identity/tenant-quotas.js';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import type { Journal } from '../persistence/journal.js';
import type { Pool } from '../scheduling/pool.js';
import type { ContextStore } from './context-store.js';
import type { LiveProgram } from './live-program.js';
import type { ProgramBook } from './program-book.js';
import { draining, programEnded, programNotFound } from './program-errors.js';
import type { AcceptedCall, Receipts } from './receipts.js';
import type { TextService } from './text-service.js';
import type { TurnSettlement } from './turn-settlement.js';

/** Bounds of the edge. */
export interface ProgramLimits {
  /** Silence after which a program that named no limit is ended. */
  readonly idleLimit: Duration;
  /** A caller that takes nothing for this long, in real time, loses its stream. */
  readonly callerStallLimit: Duration;
}

/** What the rpcs share. */
export interface ProgramServicesInit {
  readonly pool: Pool;
  readonly book: ProgramBook;
  readonly contexts: ContextStore;
  readonly journal: Journal;
  readonly receipts: Receipts;
  readonly settlement: TurnSettlement;
  readonly absence: EngineAbsence;
  readonly text: TextService;
  readonly chunks: ChunkManager;
  readonly programs: ProgramRepository;
  readonly turns: TurnRepository;
  readonly requests: RequestRepository;
  readonly quotas: TenantQuotas;
  readonly metrics: ServiceMetrics;
  readonly limits: ProgramLimits;
  readonly poolId: string;
}

/** What the rpcs share; each rpc is a function over it in a file of its own. */
export class ProgramServices {
  readonly pool: Pool;
  readonly book: ProgramBook;
  readonly contexts: ContextStore;
  readonly journal: Journal;
  readonly receipts: Receipts;
  readonly settlement: TurnSettlement;
  readonly absence: EngineAbsence;
  readonly text: TextService;
  readonly chunks: ChunkManager;
  readonly programs: ProgramRepository;
  readonly turns: TurnRepository;
  readonly requests: RequestRepository;
  readonly quotas: TenantQuotas;
  readonly metrics: ServiceMetrics;
  readonly limits: ProgramLimits;
  readonly poolId: string;
  readonly #closing = new AbortController();
  #isDraining = false;

  constructor(init: ProgramServicesInit) {
    this.pool = init.pool;
    this.book = init.book;
    this.contexts = init.contexts;
    this.journal = init.journal;
    this.receipts = init.receipts;
    this.settlement = init.settlement;
    this.absence = init.absence;
    this.text = init.text;
    this.chunks = init.chunks;
    this.programs = init.programs;
    this.turns = init.turns;
    this.requests = init.requests;
    this.quotas = init.quotas;
    this.metrics = init.metrics;
    this.limits = init.limits;
    this.poolId = init.poolId;
  }

  /** True once intake has stopped. */
  get isDraining(): boolean {
    return this.#isDraining || !this.pool.isAlive;
  }

  /** Modifies state. New programs and turns are refused from now on; what runs may end. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Aborts when watches have to end. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Modifies state. Ends all watches. */
  closeWatches(): void {
    this.#closing.abort();
  }

  /** @throws DomainError DRAINING when nothing new is taken. */
  requireOpen(): void {
    if (this.isDraining) throw draining();
  }

  /**
   * Runs `effect` on a program, unless the call was accepted before; returns the encoded answer either way. `effect`
   * checks itself whether the program has ended.
   *
   * @throws DomainError PROGRAM_NOT_FOUND, PROGRAM_ENDED or REQUEST_ID_REUSED; whatever `effect` throws.
   */
  async accept(
    programId: ProgramId,
    call: AcceptedCall,
    effect: (program: LiveProgram) => Uint8Array,
  ): Promise<Uint8Array> {
    const program = this.book.find(programId);
    if (program !== undefined) return this.receipts.once(program, call, () => effect(program));
    return (await this.receipts.stored(programId, call)) ?? Promise.reject(await this.absent(programId));
  }

  /** Why a program is not in memory: it has ended long ago, or there never was one. */
  async absent(programId: ProgramId): Promise<DomainError> {
    const row = await this.programs.get(programId);
    return row === undefined ? programNotFound(programId) : programEnded(programId, row.state);
  }
}
