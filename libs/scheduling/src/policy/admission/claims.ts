import type { EngineId, ProgramId } from '../../model/ids.js';
import type { Instant } from '../../model/units.js';

/** What a program that runs holds of an engine's memory. */
export interface Claim {
  readonly engineId: EngineId;
  readonly tenantId: string;
  readonly tokens: number;
  /** What it is expected to hold at its end, when it was admitted. */
  readonly finalTokens: number;
  /** First admission, or the last after its context was let go. */
  readonly since: Instant;
  /** What it shares with all programs of `group`: blocks that the engine holds once. Absent: nothing. */
  readonly prefix?: { readonly group: string; readonly tokens: number };
}

/** Claims of programs, and their sums. A prefix that several share counts once on each engine. */
export class Claims {
  readonly #byProgram = new Map<ProgramId, Claim>();
  readonly #ofEngine = new Map<EngineId, number>();
  readonly #ofTenant = new Map<string, number>();
  /** By engine and prefix: who shares it. The first of them answers for all of it. */
  readonly #sharers = new Map<string, Set<ProgramId>>();

  /** Pure. Programs that claim something. */
  get size(): number {
    return this.#byProgram.size;
  }

  /** Pure. */
  of(programId: ProgramId): Claim | undefined {
    return this.#byProgram.get(programId);
  }

  /** Pure. Tokens. */
  ofEngine(engineId: EngineId): number {
    return this.#ofEngine.get(engineId) ?? 0;
  }

  /** Pure. Tokens that the tenant's programs are expected to hold, on all engines: new ones are small, but not for long. */
  ofTenant(tenantId: string): number {
    return this.#ofTenant.get(tenantId) ?? 0;
  }

  /** Pure. Somebody on the engine claims the prefix already. */
  hasPrefix(engineId: EngineId, group: string): boolean {
    return this.#sharers.has(keyOf(engineId, group));
  }

  /** Modifies state. In place of what the program claimed before. */
  set(programId: ProgramId, claim: Claim): void {
    this.drop(programId);
    this.#byProgram.set(programId, claim);
    add(this.#ofEngine, claim.engineId, claim.tokens - this.#join(programId, claim));
    add(this.#ofTenant, claim.tenantId, expected(claim));
  }

  /** Modifies state. */
  drop(programId: ProgramId): void {
    const claim = this.#byProgram.get(programId);
    if (claim === undefined) return;
    this.#byProgram.delete(programId);
    subtract(this.#ofEngine, claim.engineId, claim.tokens - this.#leave(programId, claim));
    subtract(this.#ofTenant, claim.tenantId, expected(claim));
  }

  /** Modifies state. Tokens of the claim that another one has counted. */
  #join(programId: ProgramId, { engineId, prefix }: Claim): number {
    if (prefix === undefined) return 0;
    const key = keyOf(engineId, prefix.group);
    const sharers = this.#sharers.get(key);
    if (sharers === undefined) {
      this.#sharers.set(key, new Set([programId]));
      return 0;
    }
    sharers.add(programId);
    return prefix.tokens;
  }

  /** Modifies state. Tokens of the claim that stay counted: another one answers for them, or takes that over. */
  #leave(programId: ProgramId, { engineId, prefix }: Claim): number {
    if (prefix === undefined) return 0;
    const key = keyOf(engineId, prefix.group);
    const sharers = this.#sharers.get(key)!;
    const [first] = sharers;
    sharers.delete(programId);
    const [heir] = sharers;
    if (heir === undefined) this.#sharers.delete(key);
    if (first !== programId) return prefix.tokens;
    return heir === undefined ? 0 : (this.#byProgram.get(heir)?.prefix?.tokens ?? 0);
  }
}

const keyOf = (engineId: EngineId, group: string): string => `${engineId}\n${group}`;

const expected = ({ tokens, finalTokens }: Claim): number => Math.max(tokens, finalTokens);

const add = (sums: Map<string, number>, key: string, tokens: number): void =>
  void sums.set(key, (sums.get(key) ?? 0) + tokens);

const subtract = (sums: Map<string, number>, key: string, tokens: number): void => {
  const left = (sums.get(key) ?? 0) - tokens;
  // What is left of sums of fractions when nobody is there is no claim.
  if (left < 0.5) sums.delete(key);
  else sums.set(key, left);
};
