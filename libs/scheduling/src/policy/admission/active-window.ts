import type { ParameterReader } from '../parameters.js';
import type { AdmissionPolicy, PoolFacts } from './admission-policy.js';

/** Reads the parameter `window`. */
export const readActiveWindow = (parameters: ParameterReader): AdmissionPolicy<null> =>
  activeWindowAdmission(parameters.integer('window', 30, { minimum: 1, maximum: 100_000 }));

/**
 * The outer control of MARS (arXiv 2604.26963), as its preview code does it: at most so many turns compete or run at an
 * engine, the others wait outside, first come first served. The adaptive window of the paper is not in that code.
 *
 * Choices. The window counts for each engine that takes work, and for the pool as a whole: placement comes later.
 *
 * @param turnsPerEngine - at least 1.
 */
export const activeWindowAdmission = (turnsPerEngine: number): AdmissionPolicy<null> => ({
  type: 'admission.active-window',
  initialState: () => null,
  observe: () => undefined,
  admit: (_state, _candidate, pool) => {
    const { active, deferred } = countTurns(pool);
    // The candidate itself is among the active ones already.
    return deferred === 0 && active <= roomOf(turnsPerEngine, pool);
  },
  release: (_state, deferred, pool) =>
    [...deferred]
      .slice(0, Math.max(0, roomOf(turnsPerEngine, pool) - countTurns(pool).active))
      .map(({ program }) => program.programId),
});

/** Pure. One window at least, so that turns get through to a queue while no engine is there. */
const roomOf = (turnsPerEngine: number, { engines }: PoolFacts): number =>
  turnsPerEngine * Math.max(1, engines.filter((engine) => !engine.draining).length);

const countTurns = ({ programs }: PoolFacts): { readonly active: number; readonly deferred: number } => {
  let active = 0;
  let deferred = 0;
  for (const { turn } of programs.values()) {
    if (turn === null) continue;
    if (turn.state === 'deferred') deferred += 1;
    else active += 1;
  }
  return { active, deferred };
};
