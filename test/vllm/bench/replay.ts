import { setTimeout as sleep } from 'node:timers/promises';
import { Holdfast, type Program } from '@holdfast/sdk';
import type { BenchProgram, WorkloadShape } from './workload.js';

/** What one run measured. */
export interface Measured {
  readonly meanJctSeconds: number;
  readonly p95JctSeconds: number;
  readonly meanTtftSeconds: number;
  /** Of all prompt tokens, those that the engine found in its cache. */
  readonly cachedShare: number;
  /** Most tokens that the contexts of live programs had together, of the pool's. */
  readonly peakWorkingSet: number;
}

interface ReplayedTurn {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly ttftSeconds: number;
}

interface ReplayedProgram {
  readonly jctSeconds: number;
  readonly turns: readonly ReplayedTurn[];
}

/** What a replay needs. */
export interface ReplayOptions {
  readonly address: string;
  readonly shape: WorkloadShape;
  readonly poolTokens: number;
  readonly signal: AbortSignal;
}

/** Tokens that live programs hold together, and the most there have been. */
class WorkingSet {
  peakTokens = 0;
  #tokens = 0;

  add(tokens: number): void {
    this.#tokens += tokens;
    this.peakTokens = Math.max(this.peakTokens, this.#tokens);
  }
}

/** Runs the programs against a service, closed loop: a turn starts one tool gap after the turn before has ended. */
export const replay = async (programs: readonly BenchProgram[], options: ReplayOptions): Promise<Measured> => {
  const { address, shape, poolTokens, signal } = options;
  const holdfast = new Holdfast({ address });
  const workingSet = new WorkingSet();
  const startedAtMs = performance.now();
  const run = async (planned: BenchProgram): Promise<ReplayedProgram> => {
    const waitMs = planned.arrivesAtSeconds * 1_000 - (performance.now() - startedAtMs);
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
    return runProgram(holdfast, planned, { workingSet, signal });
  };
  try {
    const replayed =
      shape.arrivalsPerSecond === null ? await inTurn(programs, run) : await Promise.all(programs.map(run));
    return { ...summarise(replayed), peakWorkingSet: workingSet.peakTokens / poolTokens };
  } finally {
    holdfast.close();
  }
};

const inTurn = async <Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> => {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
};

const runProgram = async (
  holdfast: Holdfast,
  planned: BenchProgram,
  { workingSet, signal }: { readonly workingSet: WorkingSet; readonly signal: AbortSignal },
): Promise<ReplayedProgram> => {
  const arrivedAtMs = performance.now();
  let contextTokens = 0;
  const turns = await holdfast.run({ name: planned.name, programClass: 'bench', signal }, async (program) => {
    const done: ReplayedTurn[] = [];
    for (const [index, turn] of planned.turns.entries()) {
      workingSet.add(turn.newTokenIds.length + turn.outputTokens);
      contextTokens += turn.newTokenIds.length + turn.outputTokens;
      done.push(await runTurn(program, planned, index));
      if (turn.gapSeconds > 0)
        await program.tool('bash', {}, (tool) => sleep(turn.gapSeconds * 1_000, undefined, { signal: tool }));
    }
    return done;
  });
  workingSet.add(-contextTokens);
  return { jctSeconds: (performance.now() - arrivedAtMs) / 1_000, turns };
};

const runTurn = async (program: Program, { turns }: BenchProgram, index: number): Promise<ReplayedTurn> => {
  const turn = turns[index];
  if (turn === undefined) throw new RangeError(`index is ${index}; allowed is 0 to ${turns.length - 1}`);
  const { newTokenIds, outputTokens } = turn;
  const result = await program.turn({
    ...(index === 0 ? { promptIds: newTokenIds } : { appendIds: newTokenIds }),
    maxTokens: outputTokens,
    ignoreEos: true,
    temperature: 0,
    last: index === turns.length - 1,
  });
  const { promptTokens, cachedTokens } = result.usage;
  return { promptTokens, cachedTokens, ttftSeconds: result.timeToFirstTokenMs / 1_000 };
};

const summarise = (programs: readonly ReplayedProgram[]): Omit<Measured, 'peakWorkingSet'> => {
  const jcts = programs.map(({ jctSeconds }) => jctSeconds).sort((a, b) => a - b);
  const turns = programs.flatMap((program) => program.turns);
  return {
    meanJctSeconds: mean(jcts),
    p95JctSeconds: jcts[Math.ceil(jcts.length * 0.95) - 1] ?? 0,
    meanTtftSeconds: mean(turns.map(({ ttftSeconds }) => ttftSeconds)),
    cachedShare:
      sum(turns.map(({ cachedTokens }) => cachedTokens)) / sum(turns.map(({ promptTokens }) => promptTokens)),
  };
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const mean = (values: readonly number[]): number => sum(values) / Math.max(1, values.length);
