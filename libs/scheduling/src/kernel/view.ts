import type { EngineDescription, EngineLoad } from '../model/engine.js';
import type { EngineEpoch, EngineId, ProgramId, TurnId } from '../model/ids.js';
import type { Instant } from '../model/units.js';
import type { PinTerms } from './command.js';
import type { KernelCounters, KernelState, PinRecord } from './state.js';

/** One engine as the kernel sees it. */
export interface EngineView {
  readonly description: EngineDescription;
  readonly draining: boolean;
  readonly inFlightTurns: number;
  readonly unstartedTurns: number;
  readonly queuedTurns: number;
  readonly homeTokens: number;
  /** Last observation and its age's origin (I7); null before the first. */
  readonly load: EngineLoad | null;
  readonly observedAt: Instant | null;
}

/** The kernel's state in numbers. */
export interface KernelView {
  readonly now: Instant;
  readonly programs: number;
  readonly queuedTurns: number;
  readonly deferredTurns: number;
  readonly turns: number;
  readonly engines: readonly EngineView[];
  readonly counters: Readonly<KernelCounters>;
}

/** One live program as the kernel sees it. */
export interface ProgramView {
  readonly programId: ProgramId;
  readonly phase: 'idle' | 'queued' | 'running' | 'toolCall';
  readonly turnId: TurnId | null;
  readonly contextTokens: number;
  readonly turnsFinished: number;
  readonly engineId: EngineId | null;
  readonly pin: PinView | null;
}

/** A pin as the kernel believes it; with no tokens it was asked for and not confirmed. */
export interface PinView {
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly terms: PinTerms;
  readonly pinnedTokens: number;
  readonly expiresAt: Instant;
}

/** Pure. */
export const kernelView = (state: KernelState): KernelView => ({
  now: state.now,
  programs: state.programs.size,
  queuedTurns: state.queuedTurns,
  deferredTurns: state.deferred.size,
  turns: state.turns.size,
  engines: [...state.engines.values()].map((engine) => ({
    description: engine.description,
    draining: engine.draining,
    inFlightTurns: engine.inFlight.size,
    unstartedTurns: engine.unstarted,
    queuedTurns: engine.queue.size,
    homeTokens: engine.homeTokens,
    load: engine.load,
    observedAt: engine.observedAt,
  })),
  counters: { ...state.counters },
});

const pinView = ({ engineId, epoch, terms, pinnedTokens, expiresAt }: PinRecord): PinView => ({
  engineId,
  epoch,
  terms,
  pinnedTokens,
  expiresAt,
});

/** Pure. */
export const programView = (state: KernelState, programId: ProgramId): ProgramView | null => {
  const program = state.programs.get(programId);
  if (program === undefined) return null;
  const { turn, pin } = program;
  const idlePhase = program.openToolCalls.size > 0 ? 'toolCall' : 'idle';
  return {
    programId,
    phase: turn === null ? idlePhase : turn.state === 'queued' || turn.state === 'deferred' ? 'queued' : 'running',
    turnId: turn?.turnId ?? null,
    contextTokens: program.contextTokens,
    turnsFinished: program.turnsFinished,
    engineId: program.home?.engineId ?? null,
    pin: pin === null ? null : pinView(pin),
  };
};
