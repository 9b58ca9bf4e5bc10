import { type Duration, type Instant, instant, micros } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type { JsonValue } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';

/** What the policies of a pool have learned, as it is stored. */
export interface StoredStatistics {
  /** Counts changes from 1. */
  readonly version: number;
  readonly document: JsonValue;
  readonly savedAt: Instant;
}

/** What an operator has had forgotten: calls that ended before are not to be learned from again. */
export interface ForgottenCalls {
  /** Calls of any tool. */
  readonly before: Instant;
  /** By tool, its command classes included, or by `tool:command class`. Empty: gaps without a reported tool. */
  readonly tools: ReadonlyMap<string, Instant>;
}

/** A tool call that ended, or a gap between two turns in which none was reported. */
export interface EndedToolCall {
  readonly programId: string;
  readonly tenantId: string;
  readonly programClass: string;
  /** Null for a gap. */
  readonly tool: string | null;
  readonly commandClass: string | null;
  readonly duration: Duration;
  readonly endedAt: Instant;
}

/** Statistics of pools, and what they can be learned from again. */
export class StatisticsRepository {
  constructor(private readonly database: Database) {}

  /** What is stored, or undefined. */
  async get(poolId: string): Promise<StoredStatistics | undefined> {
    const row = await fromStorage(() => prismaOf(this.database).poolStatistics.findUnique({ where: { poolId } }));
    if (row === null) return undefined;
    return { version: row.version, document: row.document as JsonValue, savedAt: instant(Number(row.savedAt)) };
  }

  /** What was forgotten of a pool's tools. */
  async forgotten(poolId: string): Promise<ForgottenCalls> {
    const select = { forgottenBefore: true, forgottenTools: true };
    const row = await fromStorage(() =>
      prismaOf(this.database).poolStatistics.findUnique({ where: { poolId }, select }),
    );
    const tools = Object.entries((row?.forgottenTools ?? {}) as Record<string, number>);
    return {
      before: instant(Number(row?.forgottenBefore ?? 0)),
      tools: new Map(tools.map(([tool, at]) => [tool, instant(at)])),
    };
  }

  /** From now on nothing is learned of calls that ended before `at`: of one tool, or (null) of any. */
  async forget(poolId: string, tool: string | null, at: Instant): Promise<void> {
    const prisma = prismaOf(this.database);
    const ofAll = { forgottenBefore: at, forgottenTools: {} };
    await fromStorage(async () => {
      if (tool === null) await prisma.poolStatistics.updateMany({ where: { poolId }, data: ofAll });
      else {
        await prisma.$executeRaw`
          UPDATE pool_statistics SET forgotten_tools = forgotten_tools || jsonb_build_object(${tool}::text, ${BigInt(at)}::bigint)
           WHERE pool_id = ${poolId}`;
      }
    });
  }

  /** Pools that have some. */
  async poolIds(): Promise<readonly string[]> {
    const rows = await fromStorage(() =>
      prismaOf(this.database).poolStatistics.findMany({ select: { poolId: true }, orderBy: { poolId: 'asc' } }),
    );
    return rows.map(({ poolId }) => poolId);
  }

  /** The version that is stored; 0 when nothing is. */
  async version(poolId: string): Promise<number> {
    const row = await fromStorage(() =>
      prismaOf(this.database).poolStatistics.findUnique({ where: { poolId }, select: { version: true } }),
    );
    return row?.version ?? 0;
  }

  /** Stores a document in the place of `version` (0: of nothing); false when somebody else has stored one since. */
  async save(poolId: string, version: number, next: Omit<StoredStatistics, 'version'>): Promise<boolean> {
    const data = { version: version + 1, document: next.document as object, savedAt: BigInt(next.savedAt) };
    const { count } = await fromStorage(() =>
      version === 0
        ? prismaOf(this.database).poolStatistics.createMany({ data: [{ poolId, ...data }], skipDuplicates: true })
        : prismaOf(this.database).poolStatistics.updateMany({ where: { poolId, version }, data }),
    );
    return count === 1;
  }

  /** The last `limit` tool calls and gaps of a pool, or of one tenant in it, that ended since `since`, in that order. */
  async endedToolCalls(
    poolId: string,
    since: Instant,
    limit: number,
    tenantId: string | null = null,
  ): Promise<readonly EndedToolCall[]> {
    const rows = await fromStorage(
      () => prismaOf(this.database).$queryRaw<EndedRow[]>`
        WITH recent AS (
          SELECT program_id, tenant_id, program_class FROM program
           WHERE pool_id = ${poolId} AND last_active_at_micros >= ${BigInt(since)}
             AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId})),
        gaps AS (
          SELECT program_id, finished_at_micros AS began_at_micros,
                 lead(submitted_at_micros) OVER (PARTITION BY program_id ORDER BY ordinal) AS ended_at_micros
            FROM turn JOIN recent USING (program_id) WHERE state = 'finished'),
        ended AS (
          SELECT program_id, tool, command_class, began_at_micros, ended_at_micros
            FROM tool_call JOIN recent USING (program_id)
           WHERE ended_at_micros IS NOT NULL AND outcome <> 'cancelled'
          UNION ALL
          SELECT program_id, NULL, NULL, began_at_micros, ended_at_micros FROM gaps
           WHERE ended_at_micros > began_at_micros AND NOT EXISTS (
             SELECT FROM tool_call c WHERE c.program_id = gaps.program_id
                AND c.began_at_micros >= gaps.began_at_micros AND c.began_at_micros <= gaps.ended_at_micros))
        SELECT program_id, tenant_id, program_class, tool, command_class, began_at_micros, ended_at_micros
          FROM ended JOIN recent USING (program_id) WHERE ended_at_micros >= ${BigInt(since)}
         ORDER BY ended_at_micros DESC, program_id LIMIT ${limit}`,
    );
    return rows.reverse().map(toEndedToolCall);
  }
}

interface EndedRow {
  readonly program_id: string;
  readonly tenant_id: string;
  readonly program_class: string;
  readonly tool: string | null;
  readonly command_class: string | null;
  readonly began_at_micros: bigint;
  readonly ended_at_micros: bigint;
}

const toEndedToolCall = (row: EndedRow): EndedToolCall => ({
  programId: row.program_id,
  tenantId: row.tenant_id,
  programClass: row.program_class,
  tool: row.tool,
  commandClass: row.command_class,
  duration: micros(Number(row.ended_at_micros - row.began_at_micros)),
  endedAt: instant(Number(row.ended_at_micros)),
});
