import type { Holdfast, Program, ProgramInfo, TurnResult } from '@holdfast/sdk';
import type { PlannedProgram } from '../workload/plan-workload.js';
import type { TurnFacts } from '../workload/program-facts.js';
import { TokenSource } from '../workload/token-source.js';
import type { ModelTime } from './model-time.js';
import { ProgramContext } from './program-context.js';

/** One program as it went. */
export interface ReplayedProgram {
  /** At its end, as the service says; its times are model time. */
  readonly info: ProgramInfo;
  /** In order; without their output. */
  readonly turns: readonly ReplayedTurn[];
  /** Tool gaps as planned, together, in model seconds. */
  readonly gapSeconds: number;
}

/** One turn as the service measured it, in model time. */
type ReplayedTurn = Pick<TurnResult, 'usage' | 'queueWaitMs' | 'timeToFirstTokenMs' | 'durationMs' | 'isCompaction'>;

/** What a replay needs. */
export interface ReplayOptions {
  readonly holdfast: Holdfast;
  readonly time: ModelTime;
  readonly seed: number;
  /** Tells the programs of one run from those of another in the same database. */
  readonly programIdPrefix: string;
  readonly signal: AbortSignal;
  /** A turn finished. */
  readonly onTurn: () => void;
  /** A program ended. */
  readonly onEnded: () => void;
}

/**
 * Runs one program as it was recorded, closed loop: each turn starts one tool gap after the turn before ended, whenever
 * that was. A prompt that extends the context is sent as what is new; any other is sent whole.
 */
export const replayProgram = async (planned: PlannedProgram, options: ReplayOptions): Promise<ReplayedProgram> => {
  const { holdfast, time, signal, seed } = options;
  await time.until(planned.arrivesAtSeconds, signal);
  const programId = `${options.programIdPrefix}${planned.ordinal}`;
  const program = await holdfast.start({ programId, name: planned.id, programClass: 'claude-code', signal });
  const replay = { program, context: new ProgramContext(), tokens: new TokenSource(seed, planned.ordinal), options };
  const turns: ReplayedTurn[] = [];
  try {
    for (const [index, facts] of planned.turns.entries()) {
      if (index > 0) await program.tool(facts.tool, {}, (tool) => time.wait(facts.gapSeconds, tool));
      turns.push(await replayTurn(replay, facts, { index, last: index === planned.turns.length - 1 }));
      options.onTurn();
    }
  } catch (error) {
    // The cause is what the caller must hear; that the end fails too, when the service is gone, adds nothing.
    await program.end({ error }).catch(() => undefined);
    throw error;
  }
  const info = await program.end();
  options.onEnded();
  return { info, turns, gapSeconds: planned.turns.reduce((sum, turn) => sum + turn.gapSeconds, 0) };
};

interface ProgramReplay {
  readonly program: Program;
  readonly context: ProgramContext;
  readonly tokens: TokenSource;
}

const replayTurn = async (
  { program, context, tokens }: ProgramReplay,
  facts: TurnFacts,
  { index, last }: { readonly index: number; readonly last: boolean },
): Promise<ReplayedTurn> => {
  const appendedIds = tokens.take(facts.promptTokens - facts.sharedTokens);
  const promptIds = context.promptOf(facts.sharedTokens, appendedIds);
  const extendsContext = index > 0 && facts.sharedTokens === context.length;
  const result = await program.turn({
    ...(extendsContext ? { appendIds: appendedIds } : { promptIds }),
    requestId: `turn-${index}`,
    maxTokens: facts.outputTokens,
    ignoreEos: true,
    last,
  });
  context.extend(promptIds, result.tokenIds);
  const { usage, queueWaitMs, timeToFirstTokenMs, durationMs, isCompaction } = result;
  return { usage, queueWaitMs, timeToFirstTokenMs, durationMs, isCompaction };
};
