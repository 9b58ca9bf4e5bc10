import type { PinTerms } from '../kernel/command.js';
import type { Candidate, PoolFacts } from './admission/admission-policy.js';
import type { EngineFacts, PolicyFact, ProgramFacts, TurnFacts } from './facts.js';
import type { OrderingView } from './ordering/ordering-policy.js';
import type { PolicyProfile } from './registry.js';
import type { RetentionChoice, RetentionView } from './retention/retention-policy.js';

/** What may be read of a value: these keys, each by its own shape. `any`: plain data, all of it. */
type Shape = 'any' | { readonly [key: string]: Shape };
/** Exactly the keys of a type, so that a new fact is a type error here until somebody has thought about it. */
type ShapeOf<T> = { readonly [key in keyof Required<T>]: Shape };

// No length of an output that has not been made: neither the true one nor the limit that the caller set.
const TURN: ShapeOf<TurnFacts> = {
  turnId: 'any', index: 'any', submittedAt: 'any', promptTokens: 'any', sharedTokens: 'any', isLast: 'any', state: 'any',
  dispatchedAt: 'any', startedAt: 'any',
}; // prettier-ignore
const PROGRAM: ShapeOf<ProgramFacts> = {
  programId: 'any', tenantId: 'any', programClass: 'any', arrivedAt: 'any', expectedTurns: 'any', expectedTokens: 'any',
  contextTokens: 'any', turnsFinished: 'any', attainedTokens: 'any', priority: 'any', lastTurnFinishedAt: 'any', home: 'any', turn: TURN,
  parentId: 'any', childIds: 'any',
  openToolCalls: { '*': { tool: 'any', startedAt: 'any' } },
}; // prettier-ignore
const ENGINE: ShapeOf<EngineFacts> = {
  description: 'any', draining: 'any', activeTokens: 'any', homeTokens: 'any', load: 'any', observedAt: 'any',
}; // prettier-ignore
const FACT: Shape = {
  type: 'any', program: PROGRAM, tool: 'any', duration: 'any', inferred: 'any', turn: TURN, wasEvicted: 'any',
  queueDelay: 'any', uncachedTokens: 'any', outputTokens: 'any', completed: 'any', elapsed: 'any', told: 'any',
}; // prettier-ignore
const ORDERING: ShapeOf<OrderingView> = { program: PROGRAM, turn: TURN, isPinned: 'any', now: 'any' };
const RETENTION: ShapeOf<RetentionView> = {
  moment: 'any', program: PROGRAM, engine: ENGINE, contextTokens: 'any', tool: 'any', toolTimeout: 'any', elapsed: 'any',
  isPinned: 'any', waitingTurns: 'any', now: 'any',
}; // prettier-ignore
const CANDIDATE: ShapeOf<Candidate> = { program: PROGRAM, turn: TURN };
const POOL: ShapeOf<PoolFacts> = { engines: { '*': ENGINE }, programs: { '*': PROGRAM }, now: 'any' };

/** Reads since the last reset. */
const meter = { reads: 0 };

const refuse = (what: string) => (): never => {
  throw new Error(`a policy ${what} what it was shown`);
};

/** The same value, of which only the shape can be read and nothing be changed. */
const show = <T>(value: T, shape: Shape, path: string): T => {
  if (typeof value !== 'object' || value === null) return value;
  const part = (key: string): Shape => (shape === 'any' ? 'any' : (shape['*'] ?? shape[key] ?? 'any'));
  if (value instanceof Map) {
    const copy = new Map([...value].map(([key, item]) => [key, show(item, part('*'), `${path}[]`)]));
    const locked = { set: refuse('changes'), delete: refuse('changes'), clear: refuse('changes') };
    return Object.assign(copy, locked) as unknown as T;
  }
  if (value instanceof Set) {
    const locked = { add: refuse('changes'), delete: refuse('changes'), clear: refuse('changes') };
    return Object.assign(new Set(value), locked) as unknown as T;
  }
  if (Array.isArray(value)) {
    return Object.freeze(value.map((item: unknown) => show(item, part('*'), `${path}[]`))) as unknown as T;
  }
  return new Proxy(value, {
    get: (target, key) => {
      const of = String(key);
      if (typeof key !== 'symbol' && shape !== 'any' && !Object.hasOwn(shape, of)) {
        throw new Error(`a policy reads ${path}.${of}, which is no fact`);
      }
      meter.reads += 1;
      return show(Reflect.get(target, key), part(of), `${path}.${of}`) as unknown;
    },
    set: refuse('changes'),
    deleteProperty: refuse('changes'),
    defineProperty: refuse('changes'),
  });
};

/** Reads that one rank or one choice may make: enough for a formula, too few for a walk over the pool. */
const MOST_READS = 100;

/** Asks twice: the answers must be the same, and cheap. */
const askTwice = <T>(what: string, ask: () => T): T => {
  meter.reads = 0;
  const first = ask();
  if (meter.reads > MOST_READS) throw new Error(`${what} reads ${meter.reads} facts, allowed are ${MOST_READS}`);
  const second = ask();
  if (JSON.stringify(first) !== JSON.stringify(second)) throw new Error(`${what} depends on how often it was asked`);
  return first;
};

const checkTerms = ({ ttl, value }: PinTerms): void => {
  if (!Number.isSafeInteger(ttl) || ttl <= 0) throw new Error(`a pin of ${ttl} us`);
  if (value !== null && !(value >= 0 && value < Infinity)) throw new Error(`a pin of value ${value}`);
};

const checkChoice = ({ terms, bid, reason, inputs }: RetentionChoice): void => {
  if (terms !== null) checkTerms(terms);
  if (bid !== undefined && !(bid >= 0 && bid < Infinity)) throw new Error(`a bid of ${bid}`);
  if (reason === '') throw new Error('a choice without a reason');
  for (const [name, input] of Object.entries(inputs)) {
    if (typeof input === 'number' && !Number.isFinite(input)) throw new Error(`input ${name} is ${input}`);
  }
};

/** The same profile; throws as soon as one of its policies breaks a rule that all policies share. */
export const guarded = (profile: PolicyProfile): PolicyProfile => {
  const { ordering, retention, admission } = profile;
  const shown = (fact: PolicyFact): PolicyFact => show(fact, FACT, 'fact');
  const guardedAdmission = admission && {
    ...admission,
    observe: (state: unknown, fact: PolicyFact, now: OrderingView['now']) => admission.observe(state, shown(fact), now),
    admit: (state: unknown, candidate: Candidate, pool: PoolFacts) =>
      admission.admit(state, show(candidate, CANDIDATE, 'candidate'), show(pool, POOL, 'pool')),
    release: (state: unknown, deferred: Iterable<Candidate>, pool: PoolFacts) => {
      const candidates = [...deferred];
      const offered = show(candidates, { '*': CANDIDATE }, 'deferred');
      const released = admission.release(state, offered, show(pool, POOL, 'pool'));
      const known = new Set(candidates.map(({ program }) => program.programId));
      for (const programId of released) {
        if (!known.delete(programId)) throw new Error(`${programId} is released, but is not deferred or was before`);
      }
      return released;
    },
  };
  return {
    ...profile,
    ordering: {
      ...ordering,
      observe: (state, fact, now) => ordering.observe(state, shown(fact), now),
      rank: (state, view) => {
        const rank = askTwice('a rank', () => ordering.rank(state, show(view, ORDERING, 'view')));
        if (!Number.isSafeInteger(rank)) throw new Error(`rank ${rank} is no safe integer`);
        return rank;
      },
    },
    retention: {
      ...retention,
      observe: (state, fact, now) => retention.observe(state, shown(fact), now),
      choose: (state, view) => {
        const choice = askTwice('a choice', () => retention.choose(state, show(view, RETENTION, 'view')));
        checkChoice(choice);
        return choice;
      },
    },
    ...(guardedAdmission === undefined ? {} : { admission: guardedAdmission }),
  };
};
