import type { HostRun, HostRuns } from './host-runs.js';

/**
 * Idle KV blocks in the order in which they are overwritten, kept as runs instead of single blocks.
 *
 * vLLM appends the blocks of a finished request to its free list last one first, so the blocks of one program that went
 * idle together lie side by side, the deepest first. A run is such a group: it loses blocks from its deep end, and a
 * returning program takes its hits from the shallow end. Everything is O(1) a run, whatever its length.
 */
export interface Chain {
  /** Leading full blocks of the program's context that are resident. */
  resident: number;
  /** Run that holds them while they are idle and unpinned. */
  run: Run | null;
  /** Blocks behind the resident ones that are in host memory. */
  parked: number;
  /** Runs that hold them there, deepest first. */
  readonly hostRuns: HostRun[];
}

/** Pure. */
export const emptyChain = (): Chain => ({ resident: 0, run: null, parked: 0, hostRuns: [] });

export interface Run {
  /** Program whose blocks these are; null for blocks that nobody will ask for again. */
  chain: Chain | null;
  /** Blocks in the run. */
  blocks: number;
  /** Of those, at the deep end, blocks without reusable content. */
  blank: number;
  /** Whoever computed them said that nobody will ask for them again: not worth a place in host memory. */
  readonly isOver: boolean;
  previous: Run | null;
  next: Run | null;
}

export class ExtentList {
  /** Blocks in all runs. */
  blocks = 0;
  /** Of those, blocks without reusable content. */
  blank = 0;
  #first: Run | null = null;
  #last: Run | null = null;

  /** `host`: where overwritten blocks go; null: nowhere. */
  constructor(private readonly host: HostRuns | null) {}

  /** Modifies state. Blocks that went idle now: overwritten after all that are idle already. */
  append(chain: Chain | null, blocks: number, blank: number): void {
    this.#append({ chain, blocks, blank, isOver: false, previous: this.#last, next: null });
  }

  /** Modifies state. As `append`, for blocks of a program that has ended. */
  appendOver(blocks: number, blank: number): void {
    this.#append({ chain: null, blocks, blank, isOver: true, previous: this.#last, next: null });
  }

  #append(run: Run): void {
    if (run.blocks === 0) return;
    if (this.#last === null) this.#first = run;
    else this.#last.next = run;
    this.#last = run;
    this.blocks += run.blocks;
    this.blank += run.blank;
    if (run.chain !== null) run.chain.run = run;
  }

  /** Modifies state. Overwrites the oldest idle blocks; there must be that many. */
  take(blocks: number): void {
    let wanted = blocks;
    this.blocks -= blocks;
    while (wanted > 0) {
      const run = this.#first;
      if (run === null) throw new Error(`${wanted} more blocks were taken than are idle`);
      const taken = Math.min(wanted, run.blocks);
      const withContent = Math.max(0, taken - run.blank);
      run.blank -= taken - withContent;
      this.blank -= taken - withContent;
      run.blocks -= taken;
      wanted -= taken;
      if (run.chain !== null) run.chain.resident -= withContent;
      if (this.host !== null && withContent > 0 && !run.isOver) this.host.park(run.chain, withContent);
      if (run.blocks === 0) this.#unlink(run);
    }
  }

  /**
   * Modifies state. The program's next turn uses the first `hits` of its resident blocks: they leave the list, and what
   * is left of the run belongs to nobody.
   */
  reclaim(chain: Chain, hits: number): void {
    const { run } = chain;
    if (run === null) return;
    run.blocks -= hits;
    this.blocks -= hits;
    this.disown(chain);
    if (run.blocks === 0) this.#unlink(run);
  }

  /** Modifies state. Nobody will ask for these blocks again; they stay until they are overwritten. */
  disown(chain: Chain): void {
    if (chain.run === null) return;
    chain.run.chain = null;
    chain.run = null;
  }

  #unlink(run: Run): void {
    if (run.previous === null) this.#first = run.next;
    else run.previous.next = run.next;
    if (run.next === null) this.#last = run.previous;
    else run.next.previous = run.previous;
    if (run.chain !== null) run.chain.run = null;
  }
}
