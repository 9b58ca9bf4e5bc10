/** Pure. A table as Prettier would lay it out: the first column to the left, numbers to the right. */
export const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join(' | ')} |`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
};

/** Pure. A share in per cent. */
export const perCent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Pure. The same with its sign. */
export const signedPerCent = (share: number): string => `${share < 0 ? '' : '+'}${perCent(share)}`;
