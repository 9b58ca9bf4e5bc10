import { Fields } from './fields.js';
import { TraceError } from './trace-error.js';

/** Pure. The cells of a line without quotes. */
export const csvCells = (line: string): readonly string[] => line.split(',').map((cell) => cell.trim());

/** Pure. A line under its header, by column names. Throws a TraceError when it has more or fewer cells. */
export const csvRow = (header: readonly string[], line: string, lineNumber: number): Fields => {
  const cells = csvCells(line);
  if (cells.length !== header.length) {
    throw new TraceError(
      lineNumber,
      '',
      `has ${cells.length} cells; allowed are ${header.length}: ${header.join(', ')}`,
    );
  }
  return new Fields(Object.fromEntries(header.map((name, index) => [name, cells[index]])), lineNumber);
};
