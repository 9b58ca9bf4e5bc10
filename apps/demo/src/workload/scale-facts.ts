import type { ProgramFacts, TurnFacts } from './program-facts.js';

/** Recorded quantity for one of the replay. */
export interface FactsScale {
  readonly promptScale: number;
  readonly outputScale: number;
  readonly gapScale: number;
}

/**
 * Pure. The same programs for a smaller model: fewer tokens, shorter gaps, as many turns. What a prompt shares with the
 * context stays shared, and each turn brings and yields at least a token.
 */
export const scaleFacts = (facts: readonly ProgramFacts[], scale: FactsScale): readonly ProgramFacts[] =>
  facts.map((program) => ({ ...program, turns: scaledTurns(program.turns, scale) }));

const scaledTurns = (turns: readonly TurnFacts[], { promptScale, outputScale, gapScale }: FactsScale): TurnFacts[] => {
  const shrunk = (tokens: number, by: number): number => Math.max(1, Math.round(tokens / by));
  const scaled: TurnFacts[] = [];
  let recordedContext = 0;
  let context = 0;
  for (const turn of turns) {
    const isExtension = recordedContext > 0 && turn.sharedTokens === recordedContext;
    const kept = isExtension ? context : Math.min(context, Math.round(turn.sharedTokens / promptScale));
    const promptTokens = kept + shrunk(turn.promptTokens - turn.sharedTokens, promptScale);
    const outputTokens = shrunk(turn.outputTokens, outputScale);
    scaled.push({ ...turn, promptTokens, sharedTokens: kept, outputTokens, gapSeconds: turn.gapSeconds / gapScale });
    recordedContext = turn.promptTokens + turn.outputTokens;
    context = promptTokens + outputTokens;
  }
  return scaled;
};
