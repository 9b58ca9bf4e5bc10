import type { CellResult } from '../cells/job.js';
import { readStore } from '../cells/result-store.js';
import { describeUnit } from '../experiment/load-units.js';
import type { SummaryRow } from '../measure/summary-row.js';
import { readPolicies } from './settings-file.js';

/** What a folder of results holds, ready to be compared. */
export interface StoredCells {
  readonly cells: readonly CellResult[];
  readonly units: readonly string[];
  /** Finished cells whose seed another policy of their setting has not finished: no pair, so they are not shown. */
  readonly unpaired: number;
}

/** Reads the finished cells of a folder, in the order in which they were asked for. */
export const storedCells = (folder: string): StoredCells => {
  const latest = new Map<string, CellResult>();
  const units = new Map<string, string>();
  for (const { job, result } of readStore(folder)) {
    if (result.kind === 'cell') latest.set(JSON.stringify(identityOf(result.row)), result);
    else if (job.kind === 'load-unit') {
      const { trace, pool, programs } = job;
      const { programsPerSecond: unitProgramsPerSecond, recordedPerSecond } = result;
      const unit = describeUnit({ trace, pool, programs, unitProgramsPerSecond, recordedPerSecond });
      units.set(JSON.stringify([trace, pool.engine, pool.engines]), unit);
    }
  }
  const all = inOrder([...latest.values()], readPolicies(folder));
  const cells = paired(all);
  return { cells, units: [...units.values()], unpaired: all.length - cells.length };
};

const settingOf = ({ trace, engine, engines, load }: SummaryRow): readonly unknown[] => [trace, engine, engines, load];

const identityOf = (row: SummaryRow): readonly unknown[] => [...settingOf(row), row.policy, row.seed];

/** Traces and pools as they come, then by load, policy and seed. Cells end in any order. */
const inOrder = (cells: readonly CellResult[], policies: readonly string[]): readonly CellResult[] => {
  const benchOf = ({ row }: CellResult): string => JSON.stringify([row.trace, row.engine, row.engines]);
  const benches = [...new Set(cells.map(benchOf))];
  const names = [...new Set([...policies, ...cells.map(({ row }) => row.policy)])];
  return [...cells].sort(
    (a, b) =>
      benches.indexOf(benchOf(a)) - benches.indexOf(benchOf(b)) ||
      a.row.load - b.row.load ||
      names.indexOf(a.row.policy) - names.indexOf(b.row.policy) ||
      a.row.seed - b.row.seed,
  );
};

/** Those whose seed every policy of their setting has. */
const paired = (cells: readonly CellResult[]): readonly CellResult[] => {
  const policies = new Map<string, Set<string>>();
  const have = new Map<string, number>();
  for (const { row } of cells) {
    const setting = JSON.stringify(settingOf(row));
    policies.set(setting, (policies.get(setting) ?? new Set()).add(row.policy));
    const seed = JSON.stringify([setting, row.seed]);
    have.set(seed, (have.get(seed) ?? 0) + 1);
  }
  return cells.filter(({ row }) => {
    const setting = JSON.stringify(settingOf(row));
    return have.get(JSON.stringify([setting, row.seed])) === policies.get(setting)!.size;
  });
};
