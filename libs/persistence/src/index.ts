export type { DatabaseOptions } from './database.js';
export { Database } from './database.js';
export { type AppliedMigrations, applyMigrations } from './migrations.js';
export type { ContextStep } from './model/context.js';
export { rebuildContext } from './model/context.js';
export { EffectScope, JobEffects } from './jobs/job-effects.js';
export type { DeletedRows, RowAges } from './jobs/old-rows.js';
export type { ApiKeyRow, AuditRow, KeyRole, RegisteredEngineRow, TenantLimits, TenantRow } from './model/identity.js';
export { keyRoles } from './model/identity.js';
export type { ChunkTenantRow, ChunkTextRow, ChunkVariantRow } from './model/chunks.js';
export type { PolicyActivationRow, PolicyDocumentRow, PolicyDryRunRow } from './model/policy.js';
export type {
  DecisionRow,
  JsonValue,
  PinRow,
  PoolEventRow,
  ProgramRow,
  RequestRow,
  RowChanges,
  Rows,
  StoredFinishReason,
  StoredProgramState,
  StoredToolCallOutcome,
  StoredTurnInputKind,
  StoredTurnState,
  TableName,
  ToolCallRow,
  TurnRow,
} from './model/rows.js';
export { programStates, turnStates } from './model/rows.js';
export { tokenIdsFromBytes, tokenIdsToBytes } from './model/token-ids.js';
export type { LeaseAttempt, PoolLease } from './pool-lease-store.js';
export { PoolLeaseStore } from './pool-lease-store.js';
export { ChunkRepository } from './repositories/chunk-repository.js';
export { EventRepository } from './repositories/event-repository.js';
export type { PageRequest } from './repositories/identity-repositories.js';
export { ApiKeyRepository, TenantRepository } from './repositories/identity-repositories.js';
export type { LiveProgram, TextTurn } from './repositories/live-programs.js';
export type { TurnSummary } from './repositories/mapping.js';
export { AuditRepository, RegisteredEngineRepository } from './repositories/operations-repositories.js';
export type { Page } from './repositories/page.js';
export { decodePageToken, encodePageToken } from './repositories/page.js';
export type { PoolOwner } from './repositories/policy-repository.js';
export { PolicyRepository } from './repositories/policy-repository.js';
export type { ProgramFilter } from './repositories/program-repository.js';
export { ProgramRepository, maxProgramPageSize } from './repositories/program-repository.js';
export type { StoredDecision } from './repositories/record-repositories.js';
export {
  DecisionRepository,
  PinRepository,
  RequestRepository,
  ToolCallRepository,
} from './repositories/record-repositories.js';
export type { TimelineEntry } from './repositories/timeline-repository.js';
export { TimelineRepository } from './repositories/timeline-repository.js';
export type { RecordedProgramRow, RecordedTurnRow } from './repositories/recorded-programs.js';
export { RecordedProgramRepository } from './repositories/recorded-programs.js';
export type { EndedToolCall, ForgottenCalls, StoredStatistics } from './repositories/statistics-repository.js';
export { StatisticsRepository } from './repositories/statistics-repository.js';
export type { TurnPageRequest } from './repositories/turn-repository.js';
export { TurnRepository } from './repositories/turn-repository.js';
export { LeaseLostError, isOutage } from './storage-errors.js';
export type { WriteBehindOptions, WriteBehindStats } from './writer/write-behind.js';
export { WriteBehind } from './writer/write-behind.js';
