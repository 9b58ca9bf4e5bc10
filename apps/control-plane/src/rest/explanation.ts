/** Why a program waited, and why it lost its KV: the turns that cost it most, beside the decisions behind them. */
import type { DecisionRow, TurnSummary } from '@holdfast/persistence';
import type { ProgramId } from '@holdfast/scheduling';
import { z } from 'zod';
import type { RestContext } from './rest-context.js';
import { count, durationSeconds } from './schemas/fields.js';
import { named } from './schemas/named.js';
import { decisionJson, decisionSchema, pinJson, pinSchema, turnJson, turnSchema } from './schemas/program.js';

/** How far back it looks, and how much of that it shows. */
const TURNS = 200;
const SHOWN = 5;

export const explanationSchema = named(
  'Explanation',
  z.strictObject({
    turnsLookedAt: count,
    queueWaitSeconds: durationSeconds.meta({ description: 'Of all these turns together.' }),
    recomputedTokens: count.meta({ description: 'Of all these turns together.' }),
    waits: z
      .array(z.strictObject({ turn: turnSchema, decision: decisionSchema.nullable() }))
      .meta({ description: 'Turns that waited longest, with the decision that sent or refused them.' }),
    losses: z
      .array(
        z.strictObject({
          turn: turnSchema,
          pin: pinSchema.nullable().meta({ description: 'The pin before the turn; null: there was none.' }),
          decision: decisionSchema.nullable().meta({ description: 'What was decided about the KV before the turn.' }),
        }),
      )
      .meta({ description: 'Turns that computed most tokens again.' }),
  }),
);

/** Reads the last turns of a program and what was decided about it meanwhile. */
export const explain = async (
  context: Pick<RestContext, 'services' | 'decisions' | 'pins'>,
  programId: ProgramId,
): Promise<z.output<typeof explanationSchema>> => {
  const { items: turns } = await context.services.turns.listByProgram(programId, {
    pageSize: TURNS,
    newestFirst: true,
  });
  const [decisions, pins] = await Promise.all([
    context.decisions.listByProgram(programId, { pageSize: 1_000, newestFirst: true }),
    context.pins.listByProgram(programId, { pageSize: 1_000, newestFirst: true }),
  ]);
  const most = (of: (turn: TurnSummary) => number): readonly TurnSummary[] =>
    turns
      .filter((turn) => of(turn) > 0)
      .toSorted((a, b) => of(b) - of(a) || a.ordinal - b.ordinal)
      .slice(0, SHOWN);
  return {
    turnsLookedAt: turns.length,
    queueWaitSeconds: turns.reduce((sum, turn) => sum + waitOf(turn), 0) / 1_000_000,
    recomputedTokens: turns.reduce((sum, turn) => sum + lossOf(turn), 0),
    waits: most(waitOf).map((turn) => ({
      turn: turnJson(turn),
      decision: jsonOrNull(decisionBehind(turn, decisions.items)),
    })),
    losses: most(lossOf).map((turn) => {
      const pin = pins.items.find(({ setAt }) => setAt < turn.submittedAt);
      return {
        turn: turnJson(turn),
        pin: pin === undefined ? null : pinJson(pin),
        decision: jsonOrNull(retentionBefore(turn, decisions.items)),
      };
    }),
  };
};

/** Microseconds. */
const waitOf = ({ submittedAt, dispatchedAt, finishedAt }: TurnSummary): number =>
  Math.max(0, (dispatchedAt ?? finishedAt ?? submittedAt) - submittedAt);

const lossOf = ({ recomputedTokens }: TurnSummary): number => recomputedTokens ?? 0;

/** Newest first, so the first one found is the last one made. */
const decisionBehind = (turn: TurnSummary, decisions: readonly DecisionRow[]): DecisionRow | undefined =>
  decisions.find(({ turnId, kind }) => turnId === turn.turnId && kind !== 'retention');

const retentionBefore = (turn: TurnSummary, decisions: readonly DecisionRow[]): DecisionRow | undefined =>
  decisions.find(({ kind, at, turnId }) => kind === 'retention' && at <= turn.submittedAt && turnId !== turn.turnId);

const jsonOrNull = (decision: DecisionRow | undefined): z.output<typeof decisionSchema> | null =>
  decision === undefined ? null : decisionJson(decision);
