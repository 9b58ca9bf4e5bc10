import type { ProgramId } from '../../model/ids.js';
import { WaitingLine } from './waiting-line.js';

/** Who is next, and whose program that is. */
export interface Next {
  readonly tenantId: string;
  readonly programId: ProgramId;
}

/**
 * Programs that wait, a line for each tenant. Next is the first of the tenant who holds least (max-min fairness, as in
 * progressive filling): while two tenants wait, neither gets more memory before the other has as much. What a tenant
 * leaves unused is anybody's. With one tenant this is one line.
 */
export class TenantLines {
  readonly #lines = new Map<string, WaitingLine>();

  /** @param heldBy - pure; what a tenant holds now, in any one unit. */
  constructor(private readonly heldBy: (tenantId: string) => number) {}

  /** Pure. */
  get next(): Next | undefined {
    let best: (Next & { readonly held: number; readonly rank: number }) | undefined;
    for (const [tenantId, line] of this.#lines) {
      const place = line.firstPlace;
      if (place === undefined) continue;
      const candidate = { tenantId, held: this.heldBy(tenantId), ...place };
      if (best === undefined || isBefore(candidate, best)) best = candidate;
    }
    return best;
  }

  /** Pure. Would this program be next? */
  isNext(tenantId: string, rank: number, programId: ProgramId): boolean {
    const own = this.#lines.get(tenantId);
    if (own !== undefined && !own.isFirst(rank, programId)) return false;
    if (this.#lines.size === (own === undefined ? 0 : 1)) return true;
    const candidate = { held: this.heldBy(tenantId), rank, programId };
    for (const [otherId, line] of this.#lines) {
      const place = line.firstPlace;
      if (otherId === tenantId || place === undefined) continue;
      if (isBefore({ held: this.heldBy(otherId), ...place }, candidate)) return false;
    }
    return true;
  }

  /** Modifies state. A program that waits already keeps its place, if the rank is the same. */
  add(tenantId: string, rank: number, programId: ProgramId): void {
    let line = this.#lines.get(tenantId);
    if (line === undefined) this.#lines.set(tenantId, (line = new WaitingLine()));
    line.add(rank, programId);
  }

  /** Modifies state. */
  removeFirst(tenantId: string): void {
    const line = this.#lines.get(tenantId);
    line?.removeFirst();
    if (line?.first === undefined) this.#lines.delete(tenantId);
  }
}

interface Standing {
  readonly held: number;
  readonly rank: number;
  readonly programId: ProgramId;
}

/** Pure. Whose tenant holds less, then by rank, then by id. */
const isBefore = (a: Standing, b: Standing): boolean =>
  a.held !== b.held ? a.held < b.held : a.rank !== b.rank ? a.rank < b.rank : a.programId < b.programId;
