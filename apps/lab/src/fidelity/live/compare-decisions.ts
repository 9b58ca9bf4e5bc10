import { quantileSorted } from 'simple-statistics';
import type { ProgramId } from '@holdfast/scheduling';
import type { RecordedRun, ResolvedDecision } from './recorded-run.js';
import type { SimulatedRun } from './simulate-run.js';

/** Decisions of a live run beside those of the simulator. */
export interface DecisionComparison {
  readonly programs: number;
  /** Programs whose decisions are all equal, in their order. */
  readonly equalPrograms: number;
  readonly decisions: number;
  /** Decisions of the live run that the simulator took at the same place of the same program. */
  readonly equalDecisions: number;
  /** Pins by what became of them, in the live run. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Dispatches. */
  readonly dispatches: number;
  /** Pairs of dispatches to one engine that the simulator has in the other order. */
  readonly invertedPairs: number;
  /** Milliseconds between the two of the live run that are farthest apart among those; 0 without any. */
  readonly widestInversionMs: number;
  /** Milliseconds between a decision here and there, of those that are equal. */
  readonly apartMs: { readonly p50: number; readonly p95: number; readonly max: number };
}

/**
 * Pure. Two runs of the same programs. What is compared of a decision: its kind, the turn, the engine, the choice and, of
 * a pin, what became of it. Its time is not, and the order only among the dispatches of an engine: what happens at one
 * time in the simulator happens one after the other in life.
 */
export const compareDecisions = (live: RecordedRun, simulated: SimulatedRun): DecisionComparison => {
  const [ofLive, ofModel] = [byProgram(live), byProgram(simulated)];
  const apartMs: number[] = [];
  let [equalPrograms, equalDecisions] = [0, 0];
  for (const [programId, own] of ofLive) {
    const other = ofModel.get(programId) ?? [];
    const equal = own.filter(({ text }, index) => text === other[index]?.text);
    equalDecisions += equal.length;
    if (equal.length === own.length && own.length === other.length) equalPrograms += 1;
    for (const [index, { text, at }] of own.entries()) {
      const there = other[index];
      if (there?.text === text) apartMs.push(Math.abs(there.at - at) / 1e3);
    }
  }
  apartMs.sort((a, b) => a - b);
  const quantile = (share: number): number => (apartMs.length === 0 ? 0 : quantileSorted(apartMs, share));
  return {
    programs: ofLive.size,
    equalPrograms,
    decisions: live.decisions.length,
    equalDecisions,
    outcomes: countOutcomes(live.decisions),
    dispatches: live.decisions.filter(({ kind }) => kind === 'dispatch').length,
    ...inversions(live, simulated),
    apartMs: { p50: quantile(0.5), p95: quantile(0.95), max: apartMs.at(-1) ?? 0 },
  };
};

interface ComparedDecision {
  readonly text: string;
  readonly at: number;
}

const byProgram = ({
  decisions,
  indexOf,
}: Pick<RecordedRun, 'decisions' | 'indexOf'>): ReadonlyMap<ProgramId, readonly ComparedDecision[]> => {
  const programs = new Map<ProgramId, ComparedDecision[]>();
  for (const decision of decisions) {
    const { programId, kind, turnId, engineId, choice, outcome, at } = decision;
    const turn = turnId == null ? '-' : String(indexOf.get(turnId));
    const own = programs.get(programId) ?? [];
    own.push({ text: [kind, turn, engineId ?? '-', choice, outcome ?? '-'].join(' '), at });
    programs.set(programId, own);
  }
  return programs;
};

const countOutcomes = (decisions: readonly ResolvedDecision[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const { outcome } of decisions) if (outcome != null) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
};

/** Dispatches that both runs sent to one engine, in pairs: there are some hundred, so all pairs are looked at. */
const inversions = (
  live: RecordedRun,
  simulated: SimulatedRun,
): Pick<DecisionComparison, 'invertedPairs' | 'widestInversionMs'> => {
  const place = new Map<string, number>();
  for (const [index, name] of dispatchesOf(simulated).entries()) place.set(name.key, index);
  const common = dispatchesOf(live).filter(({ key }) => place.has(key));
  let [invertedPairs, widestInversionMs] = [0, 0];
  for (const [index, later] of common.entries()) {
    for (const earlier of common.slice(0, index)) {
      if (earlier.engineId !== later.engineId || place.get(earlier.key)! < place.get(later.key)!) continue;
      invertedPairs += 1;
      widestInversionMs = Math.max(widestInversionMs, (later.at - earlier.at) / 1e3);
    }
  }
  return { invertedPairs, widestInversionMs };
};

const dispatchesOf = ({
  decisions,
  indexOf,
}: Pick<RecordedRun, 'decisions' | 'indexOf'>): readonly {
  readonly key: string;
  readonly engineId: string;
  readonly at: number;
}[] =>
  decisions.flatMap(({ kind, programId, turnId, engineId, at }) =>
    kind !== 'dispatch' || engineId == null || turnId == null
      ? []
      : [{ key: `${programId} ${indexOf.get(turnId)} ${engineId}`, engineId, at }],
  );
