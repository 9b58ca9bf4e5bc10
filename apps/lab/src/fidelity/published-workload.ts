import { seconds } from '@holdfast/scheduling';
import { RandomStreams, type RecordedProgram, type RecordedTurn } from '@holdfast/simulation';
import type { PublishedWorkload } from './published-setups.js';

/** Traces of the paper: as many for each workload. */
const PROGRAMS = 100;
const FEWEST_TURNS = 2;
const FEWEST_TOKENS = 4_000;
/** The context window of the models. */
const MOST_TOKENS = 128_000;
/** A turn has a prompt, however much it writes. */
const LARGEST_OUTPUT_SHARE = 0.9;

/**
 * Pure. Programs with the printed moments: turns and tokens are normal, tool times lognormal, and the tokens of a program
 * are spread evenly over its turns. What the table does not say is how many of them are output: `outputTokens` a turn.
 */
export const publishedPrograms = (workload: PublishedWorkload, outputTokens: number): readonly RecordedProgram[] => {
  const streams = new RandomStreams(workload.name);
  const gaussian = (name: string, [mean, deviation]: readonly [number, number]): number =>
    mean + deviation * streams.stream(name).normal();
  return Array.from({ length: PROGRAMS }, (_, index) => {
    const turns = Math.max(FEWEST_TURNS, Math.round(gaussian('turns', workload.turns)));
    const tokens = Math.min(MOST_TOKENS, Math.max(FEWEST_TOKENS, gaussian('tokens', workload.tokens)));
    return {
      programId: `program-${index + 1}`,
      programClass: workload.name,
      turns: spread({ turns, tokensPerTurn: tokens / turns, outputTokens }, () => toolTime(workload, streams)),
    };
  });
};

const toolTime = (
  { toolSeconds: [mean, deviation], longestTool }: PublishedWorkload,
  streams: RandomStreams,
): number => {
  const variance = Math.log(1 + (deviation / mean) ** 2);
  const drawn = seconds(streams.stream('tools').lognormal(Math.log(mean) - variance / 2, Math.sqrt(variance)));
  return Math.min(longestTool, drawn);
};

const spread = (
  program: { readonly turns: number; readonly tokensPerTurn: number; readonly outputTokens: number },
  gap: () => number,
): readonly RecordedTurn[] => {
  const output = Math.max(1, Math.round(Math.min(program.outputTokens, LARGEST_OUTPUT_SHARE * program.tokensPerTurn)));
  return Array.from({ length: program.turns }, (_, turn) => ({
    promptTokens: Math.round((turn + 1) * program.tokensPerTurn) - output,
    sharedTokens: Math.round(turn * program.tokensPerTurn),
    outputTokens: output,
    gap: gap() as RecordedTurn['gap'],
    tool: 'tool',
  }));
};
