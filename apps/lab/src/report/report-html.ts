import type { CellResult } from '../cells/job.js';
/** Pure. */
export const reportHtml = ({
  cells,
  units,
}: {
  readonly cells: readonly CellResult[];
  readonly units: readonly string[];
}): string => `${units.length}${cells.length}`;
