import type { EngineId, ProgramId, TurnId } from '../model/ids.js';
import type { Instant } from '../model/units.js';
import type { PolicyFact } from '../policy/facts.js';
import type { PolicyProfile } from '../policy/registry.js';
import type { Command } from './command.js';
import type { Decision, DecisionOutcome } from './decision.js';
import type { KernelState } from './state.js';
import type { SavedParts } from '../statistics/saved.js';

/** Limits of one kernel. */
export interface KernelOptions {
  readonly profile: PolicyProfile;
  /** Token of the lease under which this kernel owns its pool. */
  readonly fencingToken: number;
  /**
   * Turns without a first token that an engine may have at once. Small, so that order is decided here; at least 1, so
   * that an engine never starves while work waits.
   */
  readonly dispatchWindow: number;
  /** Turns that may wait; the next one is rejected with QUEUE_FULL. */
  readonly maxQueuedTurns: number;
  /** False: decisions are numbered but not recorded (a simulation that nobody asks why). Default true. */
  readonly recordsDecisions?: boolean;
}

/** One state a family. */
export interface PolicyStates {
  readonly ordering: unknown;
  readonly retention: unknown;
  readonly admission: unknown;
}

/** What every handler works with during one event. */
export interface Context {
  /** Replaced when another policy is activated. */
  options: KernelOptions;
  readonly state: KernelState;
  /** State of each policy; the policy alone knows its shape. */
  policyStates: PolicyStates;
  /** What policies learned that are not in use now, by type. */
  readonly shelf: Map<string, SavedParts>;
  /** Of the event that is handled. */
  now: Instant;
  /** What the event brings about; a new list for each event. */
  commands: Command[];
}

/** Modifies state: appends a command. */
export const emit = (context: Context, command: Command): void => {
  context.commands.push(command);
};

/** A decision as its maker knows it; what does not apply is undefined. */
export interface DecisionDraft {
  readonly kind: Decision['kind'];
  readonly policy: string;
  readonly programId: ProgramId;
  readonly turnId?: TurnId | undefined;
  readonly engineId?: EngineId | undefined;
  readonly choice: string;
  readonly reason: string;
  readonly inputs: Decision['inputs'];
  readonly lowering?: string | undefined;
}

/** Modifies state: numbers a decision and emits its record. Returns its id. The draft is made only for a record. */
export const decide = (context: Context, draft: () => DecisionDraft): number => {
  const decisionId = context.state.nextDecisionId;
  context.state.nextDecisionId += 1;
  if (context.options.recordsDecisions === false) return decisionId;
  const { kind, policy, programId, turnId, engineId, choice, reason, inputs, lowering } = draft();
  const decision: Decision = {
    decisionId,
    at: context.now,
    kind,
    policy,
    programId,
    ...(turnId === undefined ? {} : { turnId }),
    ...(engineId === undefined ? {} : { engineId }),
    choice,
    reason,
    inputs,
    ...(lowering === undefined ? {} : { lowering }),
  };
  emit(context, { type: 'recordDecision', decision });
  return decisionId;
};

/** Modifies state: emits what became of an earlier decision. */
export const resolve = (context: Context, decisionId: number, outcome: DecisionOutcome): void => {
  if (context.options.recordsDecisions === false) return;
  emit(context, { type: 'resolveDecision', decisionId, outcome, at: context.now });
};

/** Pure. Keys of the kernel's timers. */
export const timerKeys = {
  idle: (programId: ProgramId): string => `idle:${programId}`,
  hold: (programId: ProgramId): string => `hold:${programId}`,
  move: 'move',
  tick: 'tick',
} as const;

/** Modifies the states of the policies: every family learns from every fact. */
export const learn = (context: Context, fact: PolicyFact): void => {
  const { profile } = context.options;
  profile.ordering.observe(context.policyStates.ordering, fact, context.now);
  profile.retention.observe(context.policyStates.retention, fact, context.now);
  profile.admission?.observe(context.policyStates.admission, fact, context.now);
};
