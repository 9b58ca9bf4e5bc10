import { micros, type PolicyFact, type PolicyProfile } from '@holdfast/scheduling';
import { RandomStreams } from '../random-streams.js';
import type { Arrival } from './workload.js';

/** Something that is wrong in a run, to see what it costs. */
export interface Disturbance {
  /** Pure. The same programs at the same times, some of them with bad manners. */
  arrange(arrivals: readonly Arrival[], seed: number): readonly Arrival[];
  /** Pure. The same policy with wrong news. */
  misinform(profile: PolicyProfile): PolicyProfile;
}

/** What may be asked for, for people. */
export const DISTURBANCES = [
  'durations=FACTOR: the policy learns every tool time times FACTOR',
  'unseen-tools: every tool call is of a tool that nobody has called before',
  'vanishing=SHARE: that share of programs never returns from its last tool call, and never ends',
  'tiny-claims=SHARE: that share says that it needs one turn and one token',
  'huge-claims=SHARE: that share says that it needs a thousand times what it does',
  'nobody=SHARE: that share does nothing wrong; what the other three are compared with',
] as const;

/** Thrown for a disturbance that is none. */
export class DisturbanceError extends RangeError {
  override readonly name = 'DisturbanceError';
}

/**
 * Pure. Reads `kind` or `kind=number`, see {@link DISTURBANCES}. Those who misbehave are the same for every kind, and
 * figures leave them out, so that the rest can be compared program by program.
 *
 * @throws DisturbanceError that says what is allowed.
 */
export const parseDisturbance = (text: string): Disturbance => {
  const [kind = '', number] = text.split('=');
  const amount = Number(number);
  const misbehave = BEHAVIOURS[kind];
  if (misbehave !== undefined && amount > 0 && amount < 1) {
    return {
      arrange: (arrivals, seed) => withSome(arrivals, { share: amount, seed, misbehave }),
      misinform: unchanged,
    };
  }
  if (kind === 'durations' && amount >= 0.001 && amount <= 1_000) {
    return { arrange: unchanged, misinform: (profile) => misinformed(profile, amount) };
  }
  if (text === 'unseen-tools') return { arrange: (arrivals) => arrivals.map(withUnseenTools), misinform: unchanged };
  throw new DisturbanceError(
    `disturbance is "${text}"; allowed are ${DISTURBANCES.map((line) => line.split(':')[0]).join(', ')}, ` +
      'with SHARE between 0 and 1 and FACTOR from 0.001 to 1000',
  );
};

const unchanged = <T>(value: T): T => value;

const CLAIMED_TOO_MUCH = 1_000;

/** What programs do that are not to be trusted. */
const BEHAVIOURS: Readonly<Record<string, (arrival: Arrival) => Arrival>> = {
  nobody: unchanged,
  vanishing: (arrival) => ({ ...arrival, vanishes: true }),
  'tiny-claims': (arrival) => ({ ...arrival, sizeHint: { expectedTurns: 1, expectedTokens: 1 } }),
  'huge-claims': (arrival) => {
    const { turns } = arrival.program;
    const tokens = turns.at(-1)!.promptTokens;
    const sizeHint = {
      expectedTurns: CLAIMED_TOO_MUCH * turns.length,
      expectedTokens: CLAIMED_TOO_MUCH * Math.max(1, tokens),
    };
    return { ...arrival, sizeHint };
  },
};

const withSome = (
  arrivals: readonly Arrival[],
  {
    share,
    seed,
    misbehave,
  }: { readonly share: number; readonly seed: number; readonly misbehave: (arrival: Arrival) => Arrival },
): readonly Arrival[] => {
  const stream = new RandomStreams(seed).stream('disturbers');
  return arrivals.map((arrival) => (stream.uniform() < share ? { ...misbehave(arrival), isLeftOut: true } : arrival));
};

const withUnseenTools = (arrival: Arrival, place: number): Arrival => {
  const turns = arrival.program.turns.map((turn, index) =>
    turn.tool === undefined ? turn : { ...turn, tool: `unseen-${place}-${index}` },
  );
  return { ...arrival, program: { ...arrival.program, turns } };
};

const misinformed = (profile: PolicyProfile, factor: number): PolicyProfile => ({
  ...profile,
  ordering: hearing(profile.ordering, factor),
  retention: hearing(profile.retention, factor),
  ...(profile.admission === undefined ? {} : { admission: hearing(profile.admission, factor) }),
});

const hearing = <P extends Pick<PolicyProfile['ordering'], 'observe'>>(policy: P, factor: number): P => ({
  ...policy,
  observe: (state, fact, now) => policy.observe(state, stretched(fact, factor), now),
});

const stretched = (fact: PolicyFact, factor: number): PolicyFact => {
  if (fact.type === 'toolCallRuns') {
    return { ...fact, elapsed: times(fact.elapsed, factor), told: times(fact.told, factor) };
  }
  if (fact.type !== 'toolCallEnded') return fact;
  const told = fact.told === undefined ? {} : { told: times(fact.told, factor) };
  return { ...fact, duration: times(fact.duration, factor), ...told };
};

const times = (duration: number, factor: number): ReturnType<typeof micros> => micros(Math.round(duration * factor));
