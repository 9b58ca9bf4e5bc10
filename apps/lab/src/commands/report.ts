import { join } from 'node:path';
import { UsageError } from '../cli/exit.js';
import { comparisonTables } from '../output/comparison-table.js';
import { storedCells } from '../output/stored-cells.js';
import { writeWhole } from '../output/write-files.js';
import { reportHtml } from '../report/report-html.js';
import { compareRows } from '../statistics/comparison.js';

/** Writes `FOLDER/report.html` of the cells that are finished there, and prints their tables. */
export const report = (folder: string, output: NodeJS.WritableStream): void => {
  const { cells, units, unpaired } = storedCells(folder);
  if (cells.length === 0) {
    throw new UsageError(
      `${folder}: holds no cells that can be compared; allowed is the --out folder of compare, simulate or knee`,
    );
  }
  const file = join(folder, 'report.html');
  writeWhole(file, reportHtml({ cells, units }));
  output.write(`${units.join('\n')}\n\n${comparisonTables(compareRows(cells.map(({ row }) => row)))}\n`);
  if (unpaired > 0) output.write(`${unpaired} cells are left out: other policies have not finished their seeds.\n`);
  output.write(`Written: ${file}\n`);
};
