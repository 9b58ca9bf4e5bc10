/** What a program's last finished request left behind. */
interface ProgramChain {
  /** Keys of its full blocks, in order. */
  readonly keys: Float64Array;
}

/**
 * Remembers the block keys of each program's last finished request, so that a pin can be set later. Bounded: beyond
 * `maxKeys` keys the programs that finished a request longest ago are forgotten; their blocks are the oldest anyway.
 */
export class ProgramHistory {
  private readonly chains = new Map<string, ProgramChain>();
  private keyCount = 0;

  constructor(private readonly maxKeys: number) {}

  /** Pure. Keys of the full blocks of the program's last finished request. */
  keysOf(programId: string): Float64Array | undefined {
    return this.chains.get(programId)?.keys;
  }

  /** Modifies state. */
  remember(programId: string, keys: Float64Array): void {
    this.forget(programId);
    this.chains.set(programId, { keys });
    this.keyCount += keys.length + 1;
    for (const oldest of this.chains.keys()) {
      if (this.keyCount <= this.maxKeys || oldest === programId) return;
      this.forget(oldest);
    }
  }

  /** Modifies state. */
  forget(programId: string): void {
    const chain = this.chains.get(programId);
    if (chain === undefined) return;
    this.chains.delete(programId);
    this.keyCount -= chain.keys.length + 1;
  }
}
