import { program as wire, timestampToProto } from '@holdfast/contracts';
import type { ProgramRow, StoredProgramState } from '@holdfast/persistence';
import type { ProgramView } from '@holdfast/scheduling';
import { ownId } from '../identity/tenant-ids.js';
import type { LiveProgram } from './live-program.js';

const states = {
  idle: wire.ProgramState.IDLE,
  queued: wire.ProgramState.QUEUED,
  running: wire.ProgramState.RUNNING,
  toolCall: wire.ProgramState.TOOL_CALL,
  completed: wire.ProgramState.COMPLETED,
  failed: wire.ProgramState.FAILED,
  timedOut: wire.ProgramState.TIMED_OUT,
} as const satisfies Record<StoredProgramState, wire.ProgramState>;

/** Pure. Where a program stands. */
export const stateOf = (program: LiveProgram, view: ProgramView | null): StoredProgramState =>
  program.end?.outcome ?? view?.phase ?? 'idle';

const parentOf = ({ tenantId, parentId }: Pick<ProgramRow, 'tenantId' | 'parentId'>): string =>
  parentId == null ? '' : ownId(tenantId, parentId);

/** Pure. A program in memory, as the wire says it. `view` is the kernel's, null after the end. */
export const liveProgramToProto = (program: LiveProgram, view: ProgramView | null): wire.Program => ({
  programId: ownId(program.facts.tenantId, program.programId),
  name: program.facts.name,
  model: program.facts.model,
  programClass: program.facts.programClass,
  state: states[stateOf(program, view)],
  startedAt: timestampToProto(program.facts.startedAt),
  endedAt: program.end === null ? undefined : timestampToProto(program.end.at),
  turnsFinished: program.counts.turnsFinished,
  toolCallsEnded: program.counts.toolCallsEnded,
  contextTokens: program.contextTokens,
  promptTokens: BigInt(program.counts.promptTokens),
  cachedTokens: BigInt(program.counts.cachedTokens),
  outputTokens: BigInt(program.counts.outputTokens),
  engineId: view?.engineId ?? '',
  recomputedTokens: BigInt(program.counts.recomputedTokens),
  parentProgramId: parentOf(program.facts),
});

/** Pure. A stored program, as the wire says it. */
export const programRowToProto = (row: ProgramRow): wire.Program => ({
  programId: ownId(row.tenantId, row.programId),
  name: row.name,
  model: row.model,
  programClass: row.programClass,
  state: states[row.state],
  startedAt: timestampToProto(row.startedAt),
  endedAt: row.endedAt == null ? undefined : timestampToProto(row.endedAt),
  turnsFinished: row.turnsFinished,
  toolCallsEnded: row.toolCallsEnded,
  contextTokens: row.contextTokens,
  promptTokens: BigInt(row.promptTokens),
  cachedTokens: BigInt(row.cachedTokens),
  outputTokens: BigInt(row.outputTokens),
  engineId: row.engineId ?? '',
  recomputedTokens: BigInt(row.recomputedTokens),
  parentProgramId: parentOf(row),
});

/** Pure. The stored states that a wire filter names. Undefined for a state that no program can have. */
export const statesFromProto = (state: wire.ProgramState): StoredProgramState | undefined =>
  (Object.keys(states) as StoredProgramState[]).find((name) => states[name] === state);
