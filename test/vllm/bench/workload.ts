import { RandomStreams } from '@holdfast/simulation';

/** One turn of a program: what is new in its prompt, and what follows. */
export interface BenchTurn {
  readonly newTokenIds: readonly number[];
  readonly outputTokens: number;
  /** Tool time after the turn; 0 after the last. */
  readonly gapSeconds: number;
}

/** A program and when it arrives. */
export interface BenchProgram {
  readonly name: string;
  readonly arrivesAtSeconds: number;
  readonly turns: readonly BenchTurn[];
}

/** What differs between scenarios. */
export interface WorkloadShape {
  readonly programs: number;
  /** Rate of the Poisson arrivals; `null`: each program arrives when the one before has ended. */
  readonly arrivalsPerSecond: number | null;
}

const TURNS = 6;
/** Contexts are long against what a turn brings, as with coding agents. */
const FIRST_PROMPT_TOKENS = { from: 1_800, to: 2_600 };
const NEW_TOKENS = { from: 80, to: 300 };
const OUTPUT_TOKENS = { from: 8, to: 24 };
/** Lognormal, about a second. */
const GAP = { medianSeconds: 0.9, sigma: 0.5 };
/** Ordinary tokens of the vocabulary. */
const TOKEN_IDS = { from: 1_000, to: 40_000 };

/** Pure. Agent programs of six turns. The same seed gives the same programs; no two share a prefix. */
export const planWorkload = (seed: number, { programs, arrivalsPerSecond }: WorkloadShape): readonly BenchProgram[] => {
  const streams = new RandomStreams(seed);
  const arrivals = streams.stream('arrivals');
  let arrivesAtSeconds = 0;
  return Array.from({ length: programs }, (_, ordinal) => {
    arrivesAtSeconds += arrivalsPerSecond === null ? 0 : arrivals.exponential(1 / arrivalsPerSecond);
    const draw = streams.stream(`program-${ordinal}`);
    const turns = Array.from({ length: TURNS }, (_unused, index) => {
      const { from, to } = index === 0 ? FIRST_PROMPT_TOKENS : NEW_TOKENS;
      const newTokens = draw.integer(from, to);
      return {
        newTokenIds: Array.from({ length: newTokens }, () => draw.integer(TOKEN_IDS.from, TOKEN_IDS.to)),
        outputTokens: draw.integer(OUTPUT_TOKENS.from, OUTPUT_TOKENS.to),
        gapSeconds: index === TURNS - 1 ? 0 : draw.lognormal(GAP.medianSeconds, GAP.sigma),
      };
    });
    return { name: `bench-${seed}-${ordinal}`, arrivesAtSeconds, turns };
  });
};

/** Pure. Tokens of a program's context at its end. */
export const finalContextTokens = ({ turns }: BenchProgram): number =>
  turns.reduce((sum, { newTokenIds, outputTokens }) => sum + newTokenIds.length + outputTokens, 0);
