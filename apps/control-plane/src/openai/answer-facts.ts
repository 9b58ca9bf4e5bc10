/** What the service tells a client beside the answer itself. */
import type { program as wire } from '@holdfast/contracts';
import { between, toMillisCeil } from '@holdfast/scheduling';
import { ownId } from '../identity/tenant-ids.js';
import type { LiveTurn, TurnResult } from '../turns/live-turn.js';

/** A turn of one tenant. */
export interface TenantTurn {
  readonly tenantId: string;
  readonly turn: LiveTurn;
}

/** Pure. Headers that are known when the turn is dispatched. */
export const dispatchHeaders = ({ tenantId, turn }: TenantTurn): Record<string, string> => ({
  'x-request-id': turn.turnId,
  'x-holdfast-program': ownId(tenantId, turn.programId),
  ...(turn.dispatch === null
    ? {}
    : { 'x-holdfast-queue-wait-ms': String(toMillisCeil(between(turn.submittedAt, turn.dispatch.at))) }),
});

/** Pure. Headers that are known at the end. */
export const resultHeaders = (asked: TenantTurn, result: TurnResult): Record<string, string> => ({
  ...dispatchHeaders(asked),
  'x-holdfast-cached-tokens': String(result.cachedTokens),
  ...(asked.turn.chunkUse === null
    ? {}
    : { 'x-holdfast-chunk-reused-tokens': String(asked.turn.chunkUse.reusedTokens) }),
  ...(result.pin === null ? {} : { 'x-holdfast-pinned-tokens': String(result.pin.pinnedTokens) }),
});

/** Pure. The same as a member of a stream's last chunk. */
export const resultFacts = ({ tenantId, turn }: TenantTurn, result: TurnResult): object => ({
  holdfast: {
    program: ownId(tenantId, turn.programId),
    queue_wait_ms: turn.dispatch === null ? 0 : toMillisCeil(between(turn.submittedAt, turn.dispatch.at)),
    cached_tokens: result.cachedTokens,
    recomputed_tokens: result.recomputedTokens,
    pinned_tokens: result.pin?.pinnedTokens ?? 0,
    ...(turn.chunkUse === null ? {} : { chunks: chunkFacts(turn.chunkUse) }),
  },
});

const chunkFacts = (use: wire.ChunkUse): object => ({
  reused_tokens: use.reusedTokens,
  recomputed_tokens: use.recomputedTokens,
  computed_tokens: use.computedTokens,
  reused_chunks: use.reusedChunks,
  recompute_share: use.recomputeShare,
  reason: use.reason,
});
