import { instant, seconds } from '@holdfast/scheduling';
import { RandomStreams, type Arrival, type RecordedProgram, type RecordedTurn } from '@holdfast/simulation';

/** How large the programs of a live run are. Ranges are drawn from evenly. */
export interface LiveWorkloadShape {
  readonly programs: number;
  readonly meanSecondsBetweenArrivals: number;
  readonly turns: readonly [least: number, most: number];
  readonly firstPromptTokens: readonly [least: number, most: number];
  /** Tokens that a tool adds. */
  readonly addedTokens: readonly [least: number, most: number];
  readonly outputTokens: readonly [least: number, most: number];
}

/** Tools, and the median of their durations in seconds; durations are lognormal. */
const TOOLS = [
  ['read', 0.4],
  ['bash', 2],
  ['pytest', 6],
] as const;
const DURATION_SIGMA = 0.7;

/** Pure. Programs drawn for a comparison, with their arrivals: no two things of them happen at one time. */
export const liveWorkload = (shape: LiveWorkloadShape, seed: number): readonly Arrival[] => {
  const streams = new RandomStreams(`live/${seed}`);
  const [sizes, spacing] = [streams.stream('sizes'), streams.stream('arrivals')];
  const between = ([least, most]: readonly [number, number]): number => sizes.integer(least, most);
  const drawTurns = (): readonly RecordedTurn[] => {
    const count = between(shape.turns);
    const turns: RecordedTurn[] = [];
    let context = 0;
    for (let index = 0; index < count; index += 1) {
      const promptTokens = context + between(index === 0 ? shape.firstPromptTokens : shape.addedTokens);
      const outputTokens = between(shape.outputTokens);
      const [tool, median] = TOOLS[sizes.integer(0, TOOLS.length - 1)]!;
      const gap = seconds(median * Math.exp(DURATION_SIGMA * sizes.normal()));
      turns.push({ promptTokens, sharedTokens: context, outputTokens, ...(index === count - 1 ? {} : { tool }), gap });
      context = promptTokens + outputTokens;
    }
    return turns;
  };
  let atSeconds = 0;
  return Array.from({ length: shape.programs }, (_, index): Arrival => {
    atSeconds += spacing.exponential(1) * shape.meanSecondsBetweenArrivals;
    const program: RecordedProgram = { programId: `p${index}`, programClass: 'live', turns: drawTurns() };
    return { program, at: instant(atSeconds * 1e6) };
  });
};
