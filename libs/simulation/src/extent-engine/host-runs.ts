import type { Chain } from './extent-list.js';

/** Blocks in host memory that came one after the other: consecutive ones of one chain, or of nobody. */
export interface HostRun {
  /** Program whose blocks these are; null for blocks that nobody will ask for again. */
  chain: Chain | null;
  blocks: number;
  previous: HostRun | null;
  next: HostRun | null;
}

/**
 * Host memory as runs: `HostTier`, at the cost of a few operations a run. A chain's blocks come deepest first, so its
 * newest run is the shallowest and follows what is on the GPU; runs lose blocks from their deep end.
 */
export class HostRuns {
  /** Blocks that came here so far. */
  offloadedBlocks = 0;
  #blocks = 0;
  #first: HostRun | null = null;
  #last: HostRun | null = null;

  constructor(private readonly capacityBlocks: number) {}

  /** Modifies state. Takes overwritten blocks in, deepest first, in place of the oldest if there is no room. */
  park(chain: Chain | null, blocks: number): void {
    this.offloadedBlocks += blocks;
    this.#blocks += blocks;
    if (chain !== null) chain.parked += blocks;
    if (this.#last !== null && this.#last.chain === chain) this.#last.blocks += blocks;
    else this.#append({ chain, blocks, previous: this.#last, next: null });
    while (this.#blocks > this.capacityBlocks) this.#dropOldest(this.#blocks - this.capacityBlocks);
  }

  /** Modifies state. The first `blocks` parked ones go back to the GPU; what is left belongs to nobody. */
  unpark(chain: Chain, blocks: number): void {
    let wanted = blocks;
    for (let run = chain.hostRuns.pop(); run !== undefined; run = chain.hostRuns.pop()) {
      const taken = Math.min(wanted, run.blocks);
      wanted -= taken;
      run.blocks -= taken;
      this.#blocks -= taken;
      run.chain = null;
      if (run.blocks === 0) this.#unlink(run);
    }
    chain.parked = 0;
  }

  #append(run: HostRun): void {
    if (this.#last === null) this.#first = run;
    else this.#last.next = run;
    this.#last = run;
    run.chain?.hostRuns.push(run);
  }

  #dropOldest(blocks: number): void {
    const run = this.#first!;
    const dropped = Math.min(blocks, run.blocks);
    run.blocks -= dropped;
    this.#blocks -= dropped;
    if (run.chain !== null) run.chain.parked -= dropped;
    if (run.blocks > 0) return;
    run.chain?.hostRuns.shift();
    this.#unlink(run);
  }

  #unlink(run: HostRun): void {
    if (run.previous === null) this.#first = run.next;
    else run.previous.next = run.next;
    if (run.next === null) this.#last = run.previous;
    else run.next.previous = run.previous;
  }
}
