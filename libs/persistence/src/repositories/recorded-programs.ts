import { type Instant, instant } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import { fromStorage } from '../storage-errors.js';

/** One finished turn of a program, as it was. */
export interface RecordedTurnRow {
  readonly promptTokens: number;
  /** Leading tokens of the context that the prompt kept. */
  readonly keepTokens: number;
  readonly outputTokens: number;
  readonly submittedAt: Instant;
  readonly finishedAt: Instant;
  /** Tool call that began first after the turn and before the next one; null where none did. */
  readonly tool: { readonly name: string; readonly commandClass: string | null } | null;
}

/** A program of the past with its turns in order. */
export interface RecordedProgramRow {
  readonly programId: string;
  readonly tenantId: string;
  readonly programClass: string;
  readonly expectedTurns: number | null;
  readonly expectedTokens: number | null;
  readonly turns: readonly RecordedTurnRow[];
}

interface Row {
  readonly program_id: string;
  readonly tenant_id: string;
  readonly program_class: string;
  readonly expected_turns: number | null;
  readonly expected_tokens: bigint | null;
  readonly prompt_tokens: number;
  readonly keep_tokens: number;
  readonly output_tokens: number;
  readonly submitted_at_micros: bigint;
  readonly finished_at_micros: bigint;
  readonly tool: string | null;
  readonly command_class: string | null;
}

/** Programs as scripts: what they asked for and when, whatever became of it. */
export class RecordedProgramRepository {
  constructor(private readonly database: Database) {}

  /** Programs of a pool with finished turns that were submitted in a window, by first such turn; at most `maxTurns` turns. */
  async inWindow(
    poolId: string,
    window: { readonly from: Instant; readonly to: Instant },
    maxTurns: number,
  ): Promise<readonly RecordedProgramRow[]> {
    const rows = await fromStorage(
      () => prismaOf(this.database).$queryRaw<Row[]>`
        SELECT p.program_id, p.tenant_id, p.program_class, p.expected_turns, p.expected_tokens,
               t.prompt_tokens, t.keep_tokens, t.output_tokens, t.submitted_at_micros, t.finished_at_micros,
               c.tool, c.command_class
          FROM program p JOIN turn t USING (program_id)
          LEFT JOIN LATERAL (
            SELECT tool, command_class FROM tool_call
             WHERE program_id = p.program_id AND began_at_micros >= t.finished_at_micros
               AND began_at_micros < coalesce((
                 SELECT min(submitted_at_micros) FROM turn n
                  WHERE n.program_id = p.program_id AND n.ordinal > t.ordinal), 9223372036854775807)
             ORDER BY began_at_micros, tool_call_id LIMIT 1) c ON true
         WHERE p.pool_id = ${poolId} AND t.state = 'finished'
           AND p.last_active_at_micros >= ${BigInt(window.from)}
           AND t.submitted_at_micros >= ${BigInt(window.from)} AND t.submitted_at_micros < ${BigInt(window.to)}
         ORDER BY t.submitted_at_micros, t.turn_id LIMIT ${maxTurns}`,
    );
    const programs = new Map<string, RecordedProgramRow & { readonly turns: RecordedTurnRow[] }>();
    for (const row of rows) {
      const program = programs.get(row.program_id) ?? {
        programId: row.program_id,
        tenantId: row.tenant_id,
        programClass: row.program_class,
        expectedTurns: row.expected_turns,
        expectedTokens: row.expected_tokens === null ? null : Number(row.expected_tokens),
        turns: [],
      };
      programs.set(row.program_id, program);
      program.turns.push(toTurn(row));
    }
    return [...programs.values()];
  }
}

const toTurn = (row: Row): RecordedTurnRow => ({
  promptTokens: row.prompt_tokens,
  keepTokens: row.keep_tokens,
  outputTokens: row.output_tokens,
  submittedAt: instant(Number(row.submitted_at_micros)),
  finishedAt: instant(Number(row.finished_at_micros)),
  tool: row.tool === null ? null : { name: row.tool, commandClass: row.command_class },
});
