/**
 * What follows from a turn's end at the edge: the context, the counts, the rows, the caller's last event.
 *
 * Invariant: everything here is done before anything else runs, so the caller's next turn finds it, though the caller is told
 * the last event amid it: what that event does not depend on need not keep it waiting.
 */
import type { DomainError } from '@holdfast/platform';
import { instant, type EngineId, type Instant, type ProgramView } from '@holdfast/scheduling';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import type { Journal } from '../persistence/journal.js';
import type { LiveTurn, TurnResult } from '../turns/live-turn.js';
import type { EngineAnswer } from '../turns/turn-runner.js';
import type { TurnTable } from '../turns/turn-table.js';
import type { ContextStore } from './context-store.js';
import type { LiveProgram } from './live-program.js';
import type { ProgramBook } from './program-book.js';
import type { TextService } from './text-service.js';

/** What settling works with. */
export interface TurnSettlementOptions {
  readonly book: ProgramBook;
  readonly contexts: ContextStore;
  readonly journal: Journal;
  readonly text: TextService;
  readonly metrics: ServiceMetrics;
  readonly turns: () => TurnTable;
  readonly view: (programId: string) => ProgramView | null;
  readonly now: () => Instant;
}

/** See the file header. */
export class TurnSettlement {
  readonly #options: TurnSettlementOptions;

  constructor(options: TurnSettlementOptions) {
    this.#options = options;
  }

  /** Modifies state. The turn has its whole answer. */
  finished(turn: LiveTurn, answer: EngineAnswer, engineId: EngineId): void {
    const { book, contexts, journal, text, metrics, now, view } = this.#options;
    const program = book.live(turn.programId);
    const finishedAt = now();
    const output = text.readOutput(turn);
    const result = resultOf(turn, answer, { engineId, finishedAt, toolCalls: output?.toolCalls ?? [] });
    journal.turnFinished(turn, result, output?.text ?? null);
    const isCurrent = program?.turn === turn;
    if (isCurrent) {
      count(program, turn, result);
      if (output !== null) text.remember(program, turn, output);
      this.#commit(program, turn);
    }
    this.#options.turns().remove(turn.turnId);
    turn.trace?.end({ result, outputTokens: turn.output.length });
    turn.finish(result);
    metrics.turnFinished(turn, result);
    // A reader of its only turn may have ended the program.
    if (isCurrent && program.end === null) {
      contexts.used(program);
      journal.program(program, view(program.programId));
    }
    program?.changed();
  }

  /** Modifies state. The turn ends without an answer; the context is as it was before. */
  failed(turn: LiveTurn, error: DomainError): void {
    const { book, journal, metrics, now } = this.#options;
    if (turn.hasEnded) return;
    metrics.turnFailed(error);
    const program = book.live(turn.programId);
    if (turn.plan !== null) journal.turnFailed(turn, error, now());
    if (program?.turn === turn) {
      program.prompt?.rollBack();
      this.#release(program);
    }
    this.#options.turns().remove(turn.turnId);
    turn.trace?.end({ error });
    turn.fail(error);
    program?.changed();
  }

  /** The program's next turn may come. */
  #commit(program: LiveProgram, turn: LiveTurn): void {
    program.context?.commit(turn.output.view());
    this.#release(program);
    program.lastTurn = turn;
    program.turnDigests.set(turn.requestId, turn.bodyDigest);
  }

  #release(program: LiveProgram): void {
    program.turn = null;
    program.prompt = null;
    program.lastActiveAt = this.#options.now();
  }
}

const resultOf = (
  turn: LiveTurn,
  answer: EngineAnswer,
  edge: Pick<TurnResult, 'finishedAt' | 'toolCalls'> & { readonly engineId: EngineId },
): TurnResult => {
  const { finishReason, promptTokens, cachedTokens, pin } = answer;
  const { engineId, finishedAt, toolCalls } = edge;
  return {
    finishReason,
    promptTokens,
    cachedTokens,
    // Tokens of the context before were computed for it; those the cache did not have were computed once more.
    recomputedTokens: Math.max(0, (turn.plan?.sharedTokens ?? 0) - cachedTokens),
    finishedAt,
    pin:
      pin === undefined
        ? null
        : { engineId, pinnedTokens: pin.pinnedTokens, expiresAt: instant(finishedAt + pin.expiresInMs * 1_000) },
    toolCalls,
  };
};

const count = (program: LiveProgram, turn: LiveTurn, result: TurnResult): void => {
  const { counts } = program;
  counts.turnsFinished += 1;
  counts.promptTokens += result.promptTokens;
  counts.cachedTokens += result.cachedTokens;
  counts.outputTokens += turn.output.length;
  counts.recomputedTokens += result.recomputedTokens;
  program.contextTokens = (turn.plan?.promptIds.length ?? 0) + turn.output.length;
};
