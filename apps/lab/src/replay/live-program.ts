import { setTimeout as sleep } from 'node:timers/promises';
import { toSeconds } from '@holdfast/scheduling';
import type { Holdfast, Program, ProgramInfo, TurnResult } from '@holdfast/sdk';
import { RandomStream, type Arrival, type RecordedTurn } from '@holdfast/simulation';

/** What a program needs to run on a live service. */
export interface LiveOptions {
  readonly holdfast: Holdfast;
  /** Model; empty: the service's only one. */
  readonly model: string;
  /** Id of the program at the service. */
  readonly programId: string;
  readonly seed: number;
  /** Seconds of the trace in one real second. */
  readonly timeScale: number;
  readonly signal: AbortSignal;
  readonly onTurn: (result: TurnResult) => void;
}

/** Ids of printable characters of a byte-level vocabulary: every model has them. */
const [LOWEST_ID, HIGHEST_ID] = [0x20, 0x7e];

/**
 * Runs one recorded program on a service, closed loop: each turn comes a recorded gap after the one before ended. The
 * trace has no text, so tokens are drawn: the same for the same program and seed, and shared with its context exactly as
 * far as the trace says.
 */
export const runLiveProgram = async ({ program, sizeHint }: Arrival, options: LiveOptions): Promise<ProgramInfo> => {
  const { holdfast, model, programId, signal, timeScale } = options;
  const { programClass, turns } = program;
  const name = program.programId.slice(0, 200);
  const start = { programId, name, programClass, signal, ...sizeHint, ...(model === '' ? {} : { model }) };
  const live = await holdfast.start(start);
  const context = new DrawnContext(`${options.seed}/tokens/${program.programId}`);
  try {
    for (const [index, turn] of turns.entries()) {
      const isLast = index === turns.length - 1;
      options.onTurn(await runTurn(live, context, { turn, index, isLast }));
      if (isLast) break;
      const gapMs = (toSeconds(turn.gap) * 1_000) / timeScale;
      if (turn.tool === undefined) await sleep(gapMs, undefined, { signal });
      else await live.tool(...toolCall(turn.tool), (tool) => sleep(gapMs, undefined, { signal: tool }));
    }
  } catch (error) {
    // The cause is what the caller must hear; that the end fails too, when the service is gone, adds nothing.
    await live.end({ error }).catch(() => undefined);
    throw error;
  }
  return live.end();
};

/** A tool with a command class is a command to the service, which finds the class itself. */
const toolCall = (tool: string): [name: string, options: { readonly command?: string }] => {
  const colon = tool.indexOf(':');
  return colon < 0 ? [tool, {}] : [tool.slice(0, colon), { command: tool.slice(colon + 1) }];
};

const runTurn = async (
  live: Program,
  context: DrawnContext,
  { turn, index, isLast }: { readonly turn: RecordedTurn; readonly index: number; readonly isLast: boolean },
): Promise<TurnResult> => {
  const extendsContext = index > 0 && turn.sharedTokens === context.length;
  const promptIds = context.prompt(turn);
  const result = await live.turn({
    ...(extendsContext ? { appendIds: promptIds.slice(turn.sharedTokens) } : { promptIds }),
    requestId: `turn-${index}`,
    maxTokens: turn.outputTokens,
    ignoreEos: true,
    last: isLast,
  });
  context.answered(result.tokenIds);
  return result;
};

/** Prompt and answer of the latest turn. */
class DrawnContext {
  readonly #stream: RandomStream;
  #ids: number[] = [];

  constructor(seed: string) {
    this.#stream = new RandomStream(seed);
  }

  /** Tokens. */
  get length(): number {
    return this.#ids.length;
  }

  /** Modifies state. The prompt of the next turn. A real engine may have answered with fewer tokens than recorded. */
  prompt({ promptTokens, sharedTokens }: RecordedTurn): readonly number[] {
    const kept = this.#ids.slice(0, sharedTokens);
    const forgotten = this.#ids[kept.length];
    while (kept.length < promptTokens) {
      const id = this.#stream.integer(LOWEST_ID, HIGHEST_ID);
      // By chance it would share one token more than the trace says.
      if (kept.length > sharedTokens || id !== forgotten) kept.push(id);
    }
    this.#ids = kept;
    return kept;
  }

  /** Modifies state. */
  answered(ids: readonly number[]): void {
    this.#ids = [...this.#ids, ...ids];
  }
}
