import { RecentDurations, type DurationKey } from '@holdfast/scheduling';
import type { Contender } from './contender.js';

const WINDOW = 1_000;
/** With fewer calls of its own a key is asked for its parent. */
const FEWEST_CALLS = 5;

const toolOf = (tool: string): string => tool.split(':')[0]!;

/** Names of what a median is taken of, the narrowest first. */
const NARROWEST_FIRST = [
  ({ programId, tool }: DurationKey): string => `p/${JSON.stringify([programId, tool])}`,
  ({ tool }: DurationKey): string => `c/${tool}`,
  ({ tool }: DurationKey): string => `t/${toolOf(tool)}`,
  (): string => 'all',
];

const LEVELS = { program: 0, 'command class': 1, tool: 2, all: 3 } as const;

/** The median of the last calls of the same key; with fewer than five, of the next wider one. */
export const runningMedian = (level: keyof typeof LEVELS): Contender => {
  const samples = new Map<string, RecentDurations>();
  const keysOfProgram = new Map<string, Set<string>>();
  const names = NARROWEST_FIRST.slice(LEVELS[level]);
  return {
    name: `median of ${level}`,
    observe: (key, { toSeconds, isOver }) => {
      if (!isOver) return;
      for (const nameOf of names) {
        const name = nameOf(key);
        let own = samples.get(name);
        if (own === undefined) samples.set(name, (own = new RecentDurations(WINDOW)));
        own.add(toSeconds);
      }
      if (level !== 'program') return;
      const ofProgram = keysOfProgram.get(key.programId) ?? new Set<string>();
      keysOfProgram.set(key.programId, ofProgram.add(names[0]!(key)));
    },
    // A middle of all calls says nothing of one that has outlived some of them.
    predict: (key, elapsedSeconds) => {
      if (elapsedSeconds > 0) return null;
      for (const nameOf of names) {
        const own = samples.get(nameOf(key));
        if (own !== undefined && own.size >= FEWEST_CALLS) {
          return { medianSeconds: own.ascending()[(own.size - 1) >> 1]!, distribution: null };
        }
      }
      return null;
    },
    forget: (programId) => {
      for (const name of keysOfProgram.get(programId) ?? []) samples.delete(name);
      keysOfProgram.delete(programId);
    },
  };
};
