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
}

/** Claims of programs, and their sums. */
export class Claims {
  readonly #byProgram = new Map<ProgramId, Claim>();
  readonly #ofEngine = new Map<EngineId, number>();
  readonly #ofTenant = new Map<string, number>();

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

  /** Modifies state. In place of what the program claimed before. */
  set(programId: ProgramId, claim: Claim): void {
    this.drop(programId);
    this.#byProgram.set(programId, claim);
    this.#ofEngine.set(claim.engineId, this.ofEngine(claim.engineId) + claim.tokens);
    this.#ofTenant.set(claim.tenantId, this.ofTenant(claim.tenantId) + expected(claim));
  }

  /** Modifies state. */
  drop(programId: ProgramId): void {
    const claim = this.#byProgram.get(programId);
    if (claim === undefined) return;
    this.#byProgram.delete(programId);
    subtract(this.#ofEngine, claim.engineId, claim.tokens);
    subtract(this.#ofTenant, claim.tenantId, expected(claim));
  }
}

const expected = ({ tokens, finalTokens }: Claim): number => Math.max(tokens, finalTokens);

const subtract = (sums: Map<string, number>, key: string, tokens: number): void => {
  const left = (sums.get(key) ?? 0) - tokens;
  // What is left of sums of fractions when nobody is there is no claim.
  if (left < 0.5) sums.delete(key);
  else sums.set(key, left);
};
