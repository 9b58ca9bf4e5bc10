import type { ProgramId } from '@holdfast/scheduling';

/** What one finished turn did to its program's context. */
export interface ContextStep {
  readonly ordinal: number;
  readonly keepTokens: number;
  readonly appendedIds: Uint32Array;
  readonly outputIds: Uint32Array;
}

/**
 * Pure. The token ids of a program's context after its finished turns, given in order: each keeps a prefix, appends
 * its prompt and its output.
 *
 * @throws Error when a turn keeps more than there is: a row is missing or damaged.
 */
export function rebuildContext(programId: ProgramId, steps: readonly ContextStep[]): Uint32Array {
  let context = new Uint32Array(1_024);
  let length = 0;
  for (const { ordinal, keepTokens, appendedIds, outputIds } of steps) {
    if (keepTokens > length) {
      throw new Error(`turn ${ordinal} of program ${programId} keeps ${keepTokens} tokens; allowed: 0 to ${length}`);
    }
    const nextLength = keepTokens + appendedIds.length + outputIds.length;
    if (nextLength > context.length) {
      const grown = new Uint32Array(Math.max(nextLength, 2 * context.length));
      grown.set(context.subarray(0, keepTokens));
      context = grown;
    }
    context.set(appendedIds, keepTokens);
    context.set(outputIds, keepTokens + appendedIds.length);
    length = nextLength;
  }
  return context.slice(0, length);
}
