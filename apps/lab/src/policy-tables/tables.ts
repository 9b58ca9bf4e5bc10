import { markdownTable } from '../fidelity/markdown.js';
import type { Cells, Pick } from './cells.js';

/** The policy that the document is about. */
export const OWN = 'holdfast';

/** Pure. Seconds with what of them matters. */
export const secondsText = (seconds: number): string => seconds.toFixed(seconds < 1_000 ? 1 : 0);

/** Pure. One digit more near 1, where it tells whether there is a difference. */
export const ratioText = (ratio: number): string => ratio.toFixed(ratio > 0.9 && ratio < 1.1 ? 3 : 2);

/** Pure. Mean JCT of each policy at each load, in brackets the program that took longest in any seed. */
export const jctTable = (cells: Cells): string =>
  markdownTable(
    ['load', ...cells.policies],
    cells.loads.map((load) => [
      String(load),
      ...cells.policies.map(
        (policy) => `${secondsText(cells.mean(policy, load))} (${cells.longest(policy, load).toFixed(0)})`,
      ),
    ]),
  );

/** Pure. Mean over seeds of another figure, by policy and load. */
export const figureTable = (cells: Cells, pick: Pick, text: (figure: number) => string = secondsText): string =>
  markdownTable(
    ['load', ...cells.policies],
    cells.loads.map((load) => [String(load), ...cells.policies.map((policy) => text(cells.mean(policy, load, pick)))]),
  );

/** Pure. Mean JCT of each policy relative to one of them, paired by seed; in brackets the seed where it is largest. */
export const ratioTable = (
  cells: Cells,
  base: string,
  named: (policy: string) => string = (policy) => policy,
): string =>
  markdownTable(
    ['', ...cells.loads.map(String)],
    cells.policies
      .filter((policy) => policy !== base)
      .map((policy) => [
        named(policy),
        ...cells.loads.map((load) => {
          const { value, worst } = cells.ratio(policy, base, load);
          return `${ratioText(value)} (${ratioText(worst)})`;
        }),
      ]),
  );
