/**
 * Bounds the memory of contexts. Those of idle programs are dropped, least recently used first, when all together take
 * more than the bound; they are in the database anyway and come back on demand. Contexts of running turns stay.
 */
import { rebuildContext, type TurnRepository, type TurnRow } from '@holdfast/persistence';
import type { ProgramId } from '@holdfast/scheduling';
import type { LiveProgram } from './live-program.js';
import { textTurnsOf } from './text-turn.js';
import { ProgramContext } from './program-context.js';

const turnsPerPage = 1_000;

/** What the store works with. */
export interface ContextStoreOptions {
  readonly maxBytes: number;
  readonly turns: TurnRepository;
  /** Resolves when all finished turns are in the database. */
  readonly flush: () => Promise<void>;
}

/** See the file header. */
export class ContextStore {
  readonly #options: ContextStoreOptions;
  /** Bytes of each resident context, least recently used first. */
  readonly #resident = new Map<LiveProgram, number>();
  #bytes = 0;
  #spills = 0;

  constructor(options: ContextStoreOptions) {
    this.#options = options;
  }

  /** Memory of all resident contexts. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Contexts dropped since the start. */
  get spills(): number {
    return this.#spills;
  }

  /** Modifies state. The program's context was made, grew or shrank; others may be dropped for it. */
  used(program: LiveProgram): void {
    this.forget(program);
    if (program.context === null) return;
    const bytes = program.context.capacityBytes;
    this.#resident.set(program, bytes);
    this.#bytes += bytes;
    for (const other of this.#resident.keys()) {
      if (this.#bytes <= this.#options.maxBytes) break;
      if (other !== program && other.turn === null) this.#spill(other);
    }
  }

  /** Modifies state. The program is gone. */
  forget(program: LiveProgram): void {
    this.#bytes -= this.#resident.get(program) ?? 0;
    this.#resident.delete(program);
  }

  /** Brings a spilled context back. Modifies state. */
  async load(program: LiveProgram): Promise<ProgramContext> {
    if (program.context !== null) return program.context;
    await this.#options.flush();
    const rows = await this.#finishedTurns(program.programId);
    const steps = rows.map((row) => ({ ...row, outputIds: row.outputIds ?? new Uint32Array() }));
    const context = new ProgramContext(rebuildContext(program.programId, steps));
    program.context = context;
    program.textTurns = textTurnsOf(
      rows
        .filter((row) => row.inputKind === 'conversation' || row.inputKind === 'appendMessages')
        .map((row) => ({ ...row, messages: row.messages ?? null, outputText: row.outputText ?? '' })),
    );
    this.used(program);
    return context;
  }

  #spill(program: LiveProgram): void {
    this.forget(program);
    program.context = null;
    program.textTurns = [];
    this.#spills += 1;
  }

  async #finishedTurns(programId: ProgramId): Promise<TurnRow[]> {
    const { turns } = this.#options;
    const finished: string[] = [];
    for (let pageToken: string | undefined = ''; pageToken !== undefined;) {
      const page: Awaited<ReturnType<TurnRepository['listByProgram']>> = await turns.listByProgram(programId, {
        pageSize: turnsPerPage,
        ...(pageToken === '' ? {} : { pageToken }),
      });
      for (const turn of page.items) {
        if (turn.state !== 'finished') continue;
        // A turn that keeps nothing starts the context anew.
        if (turn.keepTokens === 0) finished.length = 0;
        finished.push(turn.turnId);
      }
      pageToken = page.nextPageToken;
    }
    const rows: TurnRow[] = [];
    for (const turnId of finished) {
      const row = await turns.get(turnId);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }
}
