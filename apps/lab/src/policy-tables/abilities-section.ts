import { mean, sampleStandardDeviation } from 'simple-statistics';
import { markdownTable } from '../fidelity/markdown.js';
import { ratioOf } from './cells.js';
import { AGENTCGROUP, type Found, type Section } from './section.js';
import { OWN, ratioText, secondsText } from './tables.js';

const LEVELS = ['full', 'order', 'stock'] as const;
const LOADS = [0.8, 0.95] as const;
const MANY_SEEDS = 16;

const compared = (level: string): string =>
  `${AGENTCGROUP} --load ${LOADS.join()} --abilities ${level} --policies vllm-fcfs,continuum,${OWN}`;
const repeated = (level: string, select: string): string =>
  `${AGENTCGROUP.replace('--select odd', `--select ${select}`)} --load 0.95 --seeds ${MANY_SEEDS} --abilities ${level} ` +
  `--policies ${OWN}`;

/** What is left on engines that can do less. */
export const abilitiesSection: Section = {
  name: 'abilities',
  title: 'On engines that can do less',
  compares: {
    ...Object.fromEntries(LEVELS.map((level) => [level, compared(level)])),
    orderOdd: repeated('order', 'odd'),
    stockOdd: repeated('stock', 'odd'),
    orderEven: repeated('order', 'even'),
    stockEven: repeated('stock', 'even'),
  },
  write: (found) =>
    [
      'Mean job completion time in seconds, and relative to `vllm-fcfs` there. `full` is vLLM with the plug-in, and the',
      'sim-engine; `order` takes ranks but holds no pins; `stock` does neither. Loads are those of `full`.',
      '',
      levelTable(found),
      '',
      `Whether \`order\` differs from \`stock\`, at 0.95 over ${MANY_SEEDS} seeds (geometric mean of the ratio of mean completion`,
      'times, and two standard errors to either side):',
      '',
      orderTable(found),
    ].join('\n'),
};

const levelTable = ({ cells }: Found): string =>
  markdownTable(
    ['level', 'policy', ...LOADS.map(String)],
    LEVELS.flatMap((level) =>
      ['vllm-fcfs', 'continuum', OWN].map((policy) => [
        level,
        policy,
        ...LOADS.map((load) => {
          const { value } = cells(level).ratio(policy, 'vllm-fcfs', load);
          return `${secondsText(cells(level).mean(policy, load))} (${ratioText(value)})`;
        }),
      ]),
    ),
  );

const orderTable = ({ cells }: Found): string =>
  markdownTable(
    ['programs', 'order / stock', 'from', 'to', 'seeds where order is worse'],
    (['Odd', 'Even'] as const).map((half) => {
      const order = cells(`order${half}`).of(OWN, 0.95);
      const stock = cells(`stock${half}`).of(OWN, 0.95);
      const logs = order.map((row, index) => Math.log(ratioOf([row], [stock[index]!]).value));
      const middle = mean(logs);
      const error = (2 * sampleStandardDeviation(logs)) / Math.sqrt(logs.length);
      const texts = [middle, middle - error, middle + error].map((log) => ratioText(Math.exp(log)));
      return [half.toLowerCase(), ...texts, `${logs.filter((log) => log > 0).length} of ${logs.length}`];
    }),
  );
