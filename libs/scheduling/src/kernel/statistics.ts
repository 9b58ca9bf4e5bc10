/** What the policies of a profile have learned: saved, loaded, and fitted anew from recorded tool calls. */
import type { ProgramId } from '../model/ids.js';
import { micros, type Duration, type Instant } from '../model/units.js';
import type { LearningPolicy, ProgramFacts } from '../policy/facts.js';
import type { PolicyProfile } from '../policy/registry.js';
import type { SavedParts, StatisticsDocument } from '../statistics/saved.js';
import type { Context, PolicyStates } from './context.js';
import type { StatisticsLoaded } from './event.js';

type Family = keyof PolicyStates;

const families = (profile: PolicyProfile): readonly (readonly [Family, LearningPolicy<unknown>])[] => [
  ['ordering', profile.ordering],
  ['retention', profile.retention],
  ...(profile.admission === undefined ? [] : [['admission', profile.admission] as const]),
];

/** Pure. */
export const initialStates = ({ ordering, retention, admission }: PolicyProfile): PolicyStates => ({
  ordering: ordering.initialState(),
  retention: retention.initialState(),
  admission: admission?.initialState(),
});

/** Pure. */
export const savedStatistics = (profile: PolicyProfile, states: PolicyStates): StatisticsDocument => {
  const policies: Record<string, SavedParts> = {};
  for (const [family, policy] of families(profile)) {
    const parts = policy.memory?.save(states[family]);
    if (parts !== undefined) policies[policy.type] = parts;
  }
  return { version: 1, policies };
};

/** Pure. What the policies of the profile know before they have learned anything: loading it is a reset. */
export const initialStatistics = (profile: PolicyProfile): StatisticsDocument =>
  savedStatistics(profile, initialStates(profile));

/** Pure. With what is on the shelf. */
export const statisticsOf = ({ options, policyStates, shelf }: Context): StatisticsDocument => {
  const { version, policies } = savedStatistics(options.profile, policyStates);
  return { version, policies: { ...Object.fromEntries(shelf), ...policies } };
};

/** Modifies the states of the policies and the shelf. */
export const loadStatistics = (context: Context, { document }: StatisticsLoaded): void => {
  // It comes from a database, by way of any version of this program.
  if ((document as { readonly version: unknown }).version !== 1) return;
  const inUse = new Set<string>();
  for (const [family, policy] of families(context.options.profile)) {
    const parts = document.policies[policy.type];
    if (parts !== undefined) policy.memory?.load(context.policyStates[family], parts);
    inUse.add(policy.type);
  }
  for (const [type, parts] of Object.entries(document.policies)) if (!inUse.has(type)) context.shelf.set(type, parts);
};

/** One tool call that is over, or one gap between two turns in which nobody reported a tool. */
export interface RecordedToolCall {
  readonly programId: ProgramId;
  readonly tenantId: string;
  readonly programClass: string;
  /** Empty for a gap without a named tool. */
  readonly tool: string;
  readonly duration: Duration;
  readonly endedAt: Instant;
  /** Begin or end were not reported. */
  readonly inferred: boolean;
}

/**
 * Pure. What the policies of the profile learn of these calls, in this order, those left out that are to be forgotten.
 * Parts of a policy's memory that tool calls do not teach, e.g. queueing delays, are those of `previous`.
 */
export const fitStatistics = (
  profile: PolicyProfile,
  calls: readonly RecordedToolCall[],
  previous: StatisticsDocument | null,
  isForgotten: (call: RecordedToolCall) => boolean = () => false,
): StatisticsDocument => {
  const cold = initialStatistics(profile).policies;
  const ofAll = learnedFrom(profile, calls).policies;
  const kept = calls.filter((call) => !isForgotten(call));
  const ofKept = kept.length === calls.length ? ofAll : learnedFrom(profile, kept).policies;
  const policies: Record<string, SavedParts> = {};
  for (const [type, parts] of Object.entries(ofKept)) {
    // Calls that are forgotten show as well what calls teach: of a policy that knew nothing else, that part is cold again.
    const taught = Object.entries(parts).filter(
      ([name]) => JSON.stringify(ofAll[type]?.[name]) !== JSON.stringify(cold[type]?.[name]),
    );
    policies[type] = { ...parts, ...previous?.policies[type], ...Object.fromEntries(taught) };
  }
  return { version: 1, policies: { ...previous?.policies, ...policies } };
};

const learnedFrom = (profile: PolicyProfile, calls: readonly RecordedToolCall[]): StatisticsDocument => {
  const states = initialStates(profile);
  for (const call of calls) {
    const { tool, duration, inferred, endedAt } = call;
    const fact = { type: 'toolCallEnded', program: factsOf(call), tool, duration, inferred } as const;
    for (const [family, policy] of families(profile)) policy.observe(states[family], fact, endedAt);
  }
  return savedStatistics(profile, states);
};

const factsOf = ({ programId, tenantId, programClass, endedAt, duration }: RecordedToolCall): ProgramFacts => ({
  programId,
  tenantId,
  programClass,
  arrivedAt: micros(endedAt - duration) as number as Instant,
  expectedTurns: null,
  expectedTokens: null,
  contextTokens: 0,
  turnsFinished: 1,
  attainedTokens: 0,
  priority: 0,
  lastTurnFinishedAt: null,
  openToolCalls: new Map(),
  parentId: null,
  childIds: new Set(),
  home: null,
  turn: null,
});
