import { z } from 'zod';

const count = z.int().min(0);
const micros = z.int().min(0);

const turn = z.object({
  promptTokens: z.int().min(1),
  /** Leading prompt tokens equal to the program's context before the turn. */
  sharedTokens: count,
  outputTokens: z.int().min(1),
  /** What ran after the turn; absent: nobody said. */
  tool: z.string().optional(),
  /** From the end of the turn to the submission of the next one. */
  gapMicros: micros,
});

/** What to replay, under which policies, on which engines. */
export const dryRunRequest = z.object({
  /** Names with parameters; each gets a result. */
  policies: z.array(z.string()).min(1),
  /** Name of the profile that the engines' speed is taken from. */
  engineProfile: z.string(),
  /** KV blocks of each engine; null: as many as the profile has. */
  engines: z.array(z.object({ totalBlocks: z.int().min(1).nullable() })).min(1),
  dispatchWindow: z.int().min(1),
  programs: z.array(
    z.object({
      programId: z.string(),
      programClass: z.string(),
      /** From the begin of the recording. */
      arrivedAtMicros: micros,
      turns: z.array(turn).min(1),
    }),
  ),
});

/** See the schema. */
export type DryRunRequest = z.output<typeof dryRunRequest>;
