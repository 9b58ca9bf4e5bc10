import { instant, parsePolicy, seconds, type PolicyFact, type PolicyProfile } from '@holdfast/scheduling';

const CALLS = 100;

/** A program of the past, whose tool calls the policy has seen. */
const past: PolicyFact['program'] = {
  programId: 'past',
  tenantId: 'lab',
  programClass: 'c',
  arrivedAt: instant(0),
  priority: 0,
  expectedTurns: null,
  expectedTokens: null,
  contextTokens: 0,
  turnsFinished: 1,
  attainedTokens: 0,
  lastTurnFinishedAt: null,
  openToolCalls: new Map(),
  parentId: null,
  childIds: new Set(),
  home: null,
  turn: null,
};

/** `holdfast` as it is after a hundred calls of each tool, each of them that long. */
export const taughtPolicy = (secondsOf: ReadonlyMap<string, number>): PolicyProfile => {
  const profile = parsePolicy('holdfast');
  const { retention } = profile;
  const initialState = (): unknown => {
    const state = retention.initialState();
    for (let call = 0; call < CALLS; call += 1) {
      for (const [tool, length] of secondsOf) {
        const fact = {
          type: 'toolCallEnded',
          program: past,
          tool,
          inferred: false,
          duration: seconds(length),
        } as const;
        retention.observe(state, fact, instant(0));
      }
    }
    retention.observe(state, { type: 'programEnded', program: past, completed: true }, instant(0));
    return state;
  };
  return { ...profile, retention: { ...retention, initialState } };
};
