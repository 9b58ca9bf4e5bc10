/** Another policy takes over a pool that is at work. */
import { parsePolicy, type PolicyProfile } from '../policy/registry.js';
import { PolicySpecError } from '../policy/parameters.js';
import type { Context, PolicyStates } from './context.js';
import { dispatchWaiting } from './dispatching.js';
import type { PolicyActivated } from './event.js';
import { admitOrDefer, dequeue, refreshRank, releaseDeferred } from './queueing.js';
import { livePin, type ProgramRecord } from './state.js';
import { initialStates, savedStatistics } from './statistics.js';
import { keepTicking } from './ticks.js';

/**
 * Modifies state. Programs, turns and pins stay. The ordering and the admission policy keep what they know of live
 * programs where their type stays; otherwise admission adopts those that run and asks the waiting ones again.
 */
export const activatePolicy = (context: Context, event: PolicyActivated): void => {
  const profile = profileOf(event.policy);
  if (profile === null) return;
  const before = context.options.profile;
  const learned = savedStatistics(before, context.policyStates).policies;
  for (const [type, parts] of Object.entries(learned)) context.shelf.set(type, parts);
  context.policyStates = statesOf(context, profile);
  context.options = { ...context.options, profile };
  if (before.admission?.type === profile.admission?.type) reorderWaiting(context);
  else admitAnew(context);
  releaseDeferred(context);
  dispatchWaiting(context);
  keepTicking(context);
};

/** It comes from a log, by way of any version of this program. */
const profileOf = (policy: string): PolicyProfile | null => {
  try {
    return parsePolicy(policy);
  } catch (error) {
    if (error instanceof PolicySpecError) return null;
    throw error;
  }
};

/** Modifies the shelf: what is in use is not on it. */
const statesOf = (context: Context, profile: PolicyProfile): PolicyStates => {
  const before = context.options.profile;
  const states: Record<keyof PolicyStates, unknown> = { ...initialStates(profile) };
  for (const family of ['ordering', 'retention', 'admission'] as const) {
    const policy = profile[family];
    if (policy === undefined) continue;
    const parts = context.shelf.get(policy.type);
    context.shelf.delete(policy.type);
    // Parameters shape the state of retention policies, and what they know are tools more than programs.
    const isKept = family !== 'retention' && before[family]?.type === policy.type;
    if (isKept) states[family] = context.policyStates[family];
    else if (parts !== undefined) policy.memory?.load(states[family], parts);
  }
  return states;
};

/** The order may be another one, inside engines too. */
const reorderWaiting = (context: Context): void => {
  for (const turn of context.state.turns.values()) refreshRank(context, turn);
};

const admitAnew = (context: Context): void => {
  const { admission } = context.options.profile;
  const waiting = [...context.state.turns.values()]
    .filter(({ state }) => state === 'queued' || state === 'deferred')
    .sort((a, b) => a.sequence - b.sequence);
  for (const turn of waiting) {
    dequeue(context, turn);
    turn.state = 'queued';
  }
  for (const program of residents(context)) admission?.adopt?.(context.policyStates.admission, program, context.now);
  for (const turn of waiting) admitOrDefer(context, turn);
  reorderWaiting(context);
};

/** Pure. Programs whose turn runs or whose context is held, in order of arrival. */
const residents = ({ state, now }: Context): readonly ProgramRecord[] =>
  [...state.programs.values()]
    .filter((program) => program.home !== null && (program.turn?.engineId != null || livePin(program, now) !== null))
    .sort((a, b) => a.arrivedAt - b.arrivedAt || (a.programId < b.programId ? -1 : 1));
