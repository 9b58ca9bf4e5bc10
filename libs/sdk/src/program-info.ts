import { durationFromProto, program as wire, timestampFromProto } from '@holdfast/contracts';

type WireDuration = Parameters<typeof durationFromProto>[0];
type WireTimestamp = Parameters<typeof timestampFromProto>[0];

/** Where a program stands. The last three are final. */
export type ProgramState = 'idle' | 'queued' | 'running' | 'toolCall' | 'completed' | 'failed' | 'timedOut';

/** A program as the service sees it. */
export interface ProgramInfo {
  readonly programId: string;
  /** Name for people. */
  readonly name: string;
  readonly model: string;
  readonly programClass: string;
  readonly state: ProgramState;
  readonly startedAt: Date;
  /** Unset while it lives. */
  readonly endedAt?: Date;
  readonly turnsFinished: number;
  readonly toolCallsEnded: number;
  /** Tokens of its context now. */
  readonly contextTokens: number;
  /** Prompt tokens of all finished turns. */
  readonly promptTokens: number;
  /** Of those, found in an engine's cache. */
  readonly cachedTokens: number;
  /** Of those, computed before for this program and computed again. */
  readonly recomputedTokens: number;
  /** Output tokens of all finished turns. */
  readonly outputTokens: number;
  /** Engine that holds its KV, if any. */
  readonly engineId?: string;
  /** The program that started it, if one did. */
  readonly parentProgramId?: string;
}

/** KV that is held for a program. */
export interface Pin {
  /** Engine that holds it. */
  readonly engineId: string;
  readonly pinnedTokens: number;
  readonly expiresAt: Date;
}

const stateNames: Readonly<Record<wire.ProgramState, ProgramState | undefined>> = {
  [wire.ProgramState.UNSPECIFIED]: undefined,
  [wire.ProgramState.IDLE]: 'idle',
  [wire.ProgramState.QUEUED]: 'queued',
  [wire.ProgramState.RUNNING]: 'running',
  [wire.ProgramState.TOOL_CALL]: 'toolCall',
  [wire.ProgramState.COMPLETED]: 'completed',
  [wire.ProgramState.FAILED]: 'failed',
  [wire.ProgramState.TIMED_OUT]: 'timedOut',
};

/** Pure. The states of the wire, by their names here. */
export const stateToProto: Readonly<Record<ProgramState, wire.ProgramState>> = {
  idle: wire.ProgramState.IDLE,
  queued: wire.ProgramState.QUEUED,
  running: wire.ProgramState.RUNNING,
  toolCall: wire.ProgramState.TOOL_CALL,
  completed: wire.ProgramState.COMPLETED,
  failed: wire.ProgramState.FAILED,
  timedOut: wire.ProgramState.TIMED_OUT,
};

/**
 * Pure. A program of the wire. A state that this version does not know is shown as `idle`, the one that promises
 * nothing.
 */
export function programInfoFromProto(program: wire.Program | undefined): ProgramInfo {
  const {
    programId,
    name,
    model,
    programClass,
    turnsFinished,
    toolCallsEnded,
    contextTokens,
    endedAt,
    engineId,
    parentProgramId,
    ...rest
  } = program ?? wire.Program.create();
  return {
    programId,
    name,
    model,
    programClass,
    state: stateNames[rest.state] ?? 'idle',
    startedAt: dateFromProto(rest.startedAt),
    ...(endedAt === undefined ? {} : { endedAt: dateFromProto(endedAt) }),
    turnsFinished,
    toolCallsEnded,
    contextTokens,
    promptTokens: Number(rest.promptTokens),
    cachedTokens: Number(rest.cachedTokens),
    recomputedTokens: Number(rest.recomputedTokens),
    outputTokens: Number(rest.outputTokens),
    ...(engineId === '' ? {} : { engineId }),
    ...(parentProgramId === '' ? {} : { parentProgramId }),
  };
}

/** Pure. A pin of the wire; undefined when nothing is held. */
export function pinFromProto(pin: wire.PinState | undefined): Pin | undefined {
  if (pin === undefined) return undefined;
  const { engineId, pinnedTokens } = pin;
  return { engineId, pinnedTokens, expiresAt: dateFromProto(pin.expiresAt) };
}

/** Pure. A duration of the wire in milliseconds, with microseconds as its fraction; 0 when unset. */
export function millisFromProto(duration: WireDuration | undefined): number {
  return duration === undefined ? 0 : durationFromProto(duration) / 1_000;
}

const dateFromProto = (timestamp: WireTimestamp | undefined): Date =>
  new Date(timestamp === undefined ? 0 : timestampFromProto(timestamp) / 1_000);
