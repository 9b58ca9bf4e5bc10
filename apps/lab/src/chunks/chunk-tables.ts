import Table from 'cli-table3';
import type { ChunkCensus, ReuseCeiling } from './chunk-census.js';
import type { ChunkTrace } from './chunk-trace.js';
import type { ChunkRow } from './compare-rows.js';

/** Pure. What is in a trace, for people. */
export const censusText = ({ file, format, notes }: ChunkTrace, census: ChunkCensus): string => {
  const repeated = percent(census.repeatedReferences / census.chunkReferences);
  const lines = [
    `${file}: format ${format} (${notes.join('; ')})`,
    `${count(census.requests)} requests; chunks: ${count(census.chunkReferences)} references, ` +
      `${count(census.distinctChunks)} distinct, ${count(census.chunks.tokens)} tokens, ` +
      `${count(census.uniqueTokens)} unique tokens`,
    `repeated references ${repeated}, repeated tokens ${percent(census.chunks.anywhereTokens / census.chunks.tokens)}`,
    `with room for everything: chunks ${ceilingText(census.chunks)}; whole prompt ${ceilingText(census.wholePrompt)}`,
    `chunks of each prompt in the order that prefix caches find most in: ${ceilingText(census.arrangedChunks)}`,
    `LRU, one copy of each chunk, share of tokens found:`,
    ...census.lru.map(
      ({ capacityShare, inTimeOrder, inFileOrder }) =>
        `  room for ${percent(capacityShare)} of unique tokens: ${percent(inTimeOrder)} in time order, ` +
        `${percent(inFileOrder)} in file order`,
    ),
  ];
  return `${lines.join('\n')}\n`;
};

const ceilingText = ({ tokens, prefixTokens, anywhereTokens }: ReuseCeiling): string =>
  `${count(tokens)} tokens, ${percent(prefixTokens / tokens)} behind the same prefix, ` +
  `${percent(anywhereTokens / tokens)} in any place`;

const TITLES: Readonly<Record<ChunkRow['measure'], string>> = {
  hits: 'share of chunk tokens found, one copy of each chunk (first half, second half)',
  work: 'share of chunk tokens computed or recomputed (first half, second half)',
};

/** Pure. A table for each trace and measure: policies down, capacities across. */
export const compareText = (rows: readonly ChunkRow[]): string =>
  groups(rows)
    .map((group) => `${group[0]!.trace}: ${TITLES[group[0]!.measure]}\n${groupTable(group)}\n`)
    .join('\n');

/** Pure. Rows by trace and measure, in their order. */
export const groups = (rows: readonly ChunkRow[]): readonly (readonly ChunkRow[])[] => {
  const found = new Map<string, ChunkRow[]>();
  for (const row of rows) {
    const key = `${row.measure}\n${row.trace}`;
    found.set(key, [...(found.get(key) ?? []), row]);
  }
  return [...found.values()];
};

/** Pure. Name of a line in a table or chart. */
export const lineName = ({ policy, measure, mostVariants, capacityShare }: ChunkRow): string => {
  if (measure === 'hits' || capacityShare === null) return policy;
  return `${policy}, ${mostVariants === null ? 'any number of' : `at most ${mostVariants}`} variants`;
};

/** Pure. Head and rows of the table of one group. */
export const groupCells = (
  rows: readonly ChunkRow[],
): { readonly head: readonly string[]; readonly body: readonly (readonly string[])[] } => {
  const capacities = [...new Set(rows.map(({ capacityShare }) => capacityShare))];
  const names = [...new Set(rows.map(lineName))];
  const cell = (name: string, capacity: number | null): string => {
    const row = rows.find((candidate) => lineName(candidate) === name && candidate.capacityShare === capacity);
    return row === undefined ? '' : shareText(row);
  };
  return {
    head: ['policy', ...capacities.map((capacity) => (capacity === null ? 'no bound' : percent(capacity)))],
    body: names.map((name) => [name, ...capacities.map((capacity) => cell(name, capacity))]),
  };
};

const groupTable = (rows: readonly ChunkRow[]): string => {
  const { head, body } = groupCells(rows);
  const table = new Table({
    head: [...head],
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
    style: { head: [], border: [] },
  });
  for (const cells of body) table.push([...cells]);
  return table.toString();
};

const shareText = ({ share: { whole, firstHalf, secondHalf } }: ChunkRow): string =>
  firstHalf === null ? percent(whole) : `${percent(whole)} (${percent(firstHalf)}, ${percent(secondHalf)})`;

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

const count = (value: number): string => value.toLocaleString('en');
