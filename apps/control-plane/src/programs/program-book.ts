import type { ProgramId } from '@holdfast/scheduling';
import type { LiveProgram } from './live-program.js';

/** Programs remembered after their end, for callers that come again at once; older ones are in the database. */
const MAX_ENDED = 1_000;

/** The programs in memory: all live ones and the last that ended. */
export class ProgramBook {
  readonly #live = new Map<ProgramId, LiveProgram>();
  readonly #ended = new Map<ProgramId, LiveProgram>();
  readonly #liveByTenant = new Map<string, number>();

  /** Live programs. */
  get size(): number {
    return this.#live.size;
  }

  /** Live programs of a tenant. */
  liveOf(tenantId: string): number {
    return this.#liveByTenant.get(tenantId) ?? 0;
  }

  /** Pure. A live program. */
  live(programId: ProgramId): LiveProgram | undefined {
    return this.#live.get(programId);
  }

  /** Pure. A program in memory, ended or not. */
  find(programId: ProgramId): LiveProgram | undefined {
    return this.#live.get(programId) ?? this.#ended.get(programId);
  }

  /** Pure. All live programs, in the order of their arrival here. */
  all(): IterableIterator<LiveProgram> {
    return this.#live.values();
  }

  /** Modifies state. */
  add(program: LiveProgram): void {
    this.#live.set(program.programId, program);
    this.#count(program.facts.tenantId, 1);
  }

  /** Modifies state. The program has ended: its tokens are dropped, its last facts stay for a while. */
  retire(program: LiveProgram): void {
    if (this.#live.delete(program.programId)) this.#count(program.facts.tenantId, -1);
    program.context = null;
    program.textTurns = [];
    this.#ended.set(program.programId, program);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= MAX_ENDED) break;
      this.#ended.delete(oldest);
    }
  }
  #count(tenantId: string, change: 1 | -1): void {
    const count = this.liveOf(tenantId) + change;
    if (count === 0) this.#liveByTenant.delete(tenantId);
    else this.#liveByTenant.set(tenantId, count);
  }
}
