import type { EngineDescription } from '../../model/engine.js';
import type { EngineId, ProgramId } from '../../model/ids.js';
import type { ProgramFacts } from '../facts.js';
import type { PoolFacts } from './admission-policy.js';

/** Charged to each program on top of its context (BUFFER_PER_PROGRAM of ThunderAgent's code). */
export const BUFFER_TOKENS = 100;

/** What one engine holds of some programs. */
export interface EngineBook {
  readonly engineId: EngineId;
  readonly draining: boolean;
  readonly programs: { readonly program: ProgramFacts; readonly charge: number }[];
  /** Tokens of the pool that nobody is charged for; negative when too much is. */
  remaining: number;
}

/** Pure. Tokens of the context as it is, or as the turn under way makes it. */
export const liveTokens = ({ turn, contextTokens }: ProgramFacts): number => turn?.promptTokens ?? contextTokens;

/** Pure. Orders programs by arrival. */
export const compareArrival = (a: ProgramFacts, b: ProgramFacts): number =>
  a.arrivedAt - b.arrivedAt || (a.programId < b.programId ? -1 : 1);

/** Pure. Tokens of an engine's KV pool; one that does not tell its size has room for everybody. */
export const poolTokens = ({ totalBlocks, blockTokens }: EngineDescription): number =>
  totalBlocks === 0 ? Infinity : totalBlocks * blockTokens;

/**
 * Pure. Who is charged where: at the engine that holds the program's KV or, where none does, at the one with most left.
 *
 * @param weightOf - share of its context with which a program counts, 0 to 1.
 * @param capacityOf - tokens of an engine that may be charged.
 */
export const engineBooks = (
  charged: Iterable<ProgramId>,
  pool: PoolFacts,
  weightOf: (program: ProgramFacts) => number,
  capacityOf = poolTokens,
): readonly EngineBook[] => {
  const books = pool.engines.map(({ description, draining }): EngineBook => ({
    engineId: description.engineId,
    draining,
    programs: [],
    remaining: capacityOf(description),
  }));
  const byId = new Map(books.map((book) => [book.engineId, book]));
  const homeless: ProgramFacts[] = [];
  const charge = (book: EngineBook, program: ProgramFacts): void => {
    const tokens = weightOf(program) * liveTokens(program) + BUFFER_TOKENS;
    book.programs.push({ program, charge: tokens });
    book.remaining -= tokens;
  };
  for (const programId of charged) {
    const program = pool.programs.get(programId);
    if (program === undefined) continue;
    const book = program.home === null ? undefined : byId.get(program.home.engineId);
    if (book === undefined) homeless.push(program);
    else charge(book, program);
  }
  for (const program of homeless) {
    const roomiest = roomiestOf(books);
    if (roomiest !== undefined) charge(roomiest, program);
  }
  return books;
};

/** Pure. The engine with most left that takes work. */
export const roomiestOf = (books: readonly EngineBook[]): EngineBook | undefined => {
  let best: EngineBook | undefined;
  for (const book of books) if (!book.draining && (best === undefined || book.remaining > best.remaining)) best = book;
  return best;
};
