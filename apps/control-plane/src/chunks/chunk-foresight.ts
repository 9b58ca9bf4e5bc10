/**
 * Asks for work on chunks that later turns will need: a mean of each chunk that was reused behind foreign ones, and what a
 * program's last turn used, close to the engine again, while its tool runs.
 *
 * Asking never holds up a turn: what the queue does not take is asked for again when it is needed again.
 */
import type { ChunkId } from '@holdfast/chunk-cache';
import type { Instant } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import { mostChunksOfABuild, type ChunkPayloads } from '../jobs/chunk-catalogue.js';
import { headIdentity } from './chunk-layout.js';
import type { EngineShelf } from './engine-shelf.js';
import { Recent } from './recent.js';
import type { PlannedTurn } from './turn-chunks.js';

/** Adds a job; returns its id. */
export type AskForChunkJob = <Name extends keyof ChunkPayloads & string>(
  name: Name,
  payload: ChunkPayloads[Name],
) => Promise<string>;

/** What it works with. */
export interface ChunkForesightOptions {
  /** Builds are for a planner that favours means. */
  readonly wantsMeans: boolean;
  /** The shelf of an engine that is attached and reconciled. */
  readonly shelfOf: (engineId: string) => EngineShelf | undefined;
  readonly now: () => Instant;
  readonly logger: Logger;
}

/** What a turn used. */
interface Used {
  readonly engineId: string;
  readonly turnId: string;
  readonly variantIds: readonly string[];
}

/** Chunks and programs that are remembered; those that were not seen the longest are forgotten. */
const MOST_REMEMBERED = 10_000;
const HOUR_MICROS = 3_600_000_000;

/** See the file header. */
export class ChunkForesight {
  readonly #options: ChunkForesightOptions;
  /** Chunks whose mean was asked for, by engine and hour. */
  readonly #asked = new Recent<true>(MOST_REMEMBERED);
  /** What a program's last turn used. */
  readonly #used = new Recent<Used>(MOST_REMEMBERED);
  #ask: AskForChunkJob | null = null;

  constructor(options: ChunkForesightOptions) {
    this.#options = options;
  }

  /** Modifies state. From now on there is somebody to ask. */
  askBy(ask: AskForChunkJob): void {
    this.#ask = ask;
  }

  /** Pure. The hour that builds of now are asked for in. */
  get hour(): number {
    return Math.floor(this.#options.now() / HOUR_MICROS);
  }

  /** Modifies state. A turn was run by a plan. */
  turnFinished({ programId, turnId }: { readonly programId: string; readonly turnId: string }, run: PlannedTurn): void {
    const { shelf, plan, layout, scope } = run;
    const variantIds = plan.segments.flatMap((segment) => (segment.kind === 'compute' ? [] : [segment.variant]));
    const { engineId } = shelf;
    this.#used.set(programId, { engineId, turnId, variantIds: [...variantIds, ...run.captures.keys()] });
    if (!this.#options.wantsMeans || shelf.capabilities.neutralPrefixIds.length === 0) return;
    const { hour } = this;
    const isNew = (id: ChunkId): boolean => this.#asked.get(`${engineId} ${hour} ${id}`) === undefined;
    const chunkIds: ChunkId[] = plan.segments.flatMap(({ kind, chunk }) =>
      kind === 'reuse' && chunk !== null && !shelf.hasMean(chunk) && isNew(chunk) ? [chunk] : [],
    );
    if (chunkIds.length === 0) return;
    for (const id of chunkIds) this.#asked.set(`${engineId} ${hour} ${id}`, true);
    const headChunkId = layout.headIds.length === 0 ? null : headIdentity(layout.headIds, scope).id;
    this.#request('chunk-build', { engineId, headChunkId, chunkIds: chunkIds.slice(0, mostChunksOfABuild), hour });
  }

  /** A program waits for a tool: its next turn is likely to need what the last one used. */
  toolCallBegan(programId: string): void {
    const used = this.#used.get(programId);
    if (used === undefined) return;
    const { engineId, turnId: purpose } = used;
    const variantIds = [...(this.#options.shelfOf(engineId)?.farFrom(used.variantIds) ?? [])];
    if (variantIds.length > 0) this.#request('chunk-prefetch', { engineId, variantIds, purpose });
  }

  #request<Name extends keyof ChunkPayloads & string>(name: Name, payload: ChunkPayloads[Name]): void {
    this.#ask?.(name, payload).catch((err: unknown) => {
      this.#options.logger.warn({ err, engineId: payload.engineId, job: name }, 'job on chunks not asked for');
    });
  }
}
