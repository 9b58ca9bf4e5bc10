import { markdownTable } from '../fidelity/markdown.js';
import { ratioOf } from './cells.js';
import { AGENTCGROUP, type Found, type Section } from './section.js';
import { jctTable, OWN, ratioText } from './tables.js';

const POLICIES = `infinite-pin,${OWN}`;
const LOADS = [0.95] as const;
const SHARE = 0.1;

const run = (options: string): string => `${AGENTCGROUP} --load ${LOADS.join()}${options} --policies ${POLICIES}`;

/** Name of the run, options, what it is called, and the run it is compared with. */
const DISTURBED = [
  ['longer', ' --disturb durations=4', 'tool times learned 4x too long', 'usual'],
  ['shorter', ' --disturb durations=0.25', 'tool times learned 4x too short', 'usual'],
  ['unseen', ' --disturb unseen-tools', 'no tool is ever seen again', 'usual'],
  ['vanishing', ` --disturb vanishing=${SHARE}`, 'one in ten never returns', 'nobody'],
  ['tiny', ` --disturb tiny-claims=${SHARE}`, 'one in ten claims to be tiny', 'nobody'],
  ['huge', ` --disturb huge-claims=${SHARE}`, 'one in ten claims to be huge', 'nobody'],
  ['bursts', ' --arrivals burst:10', 'ten programs at once', 'usual'],
  ['largeBursts', ' --arrivals burst:30', 'thirty programs at once', 'usual'],
] as const;

/** What happens when something is wrong. */
export const sensitivitySection: Section = {
  name: 'sensitivity',
  title: 'When it is wrong',
  compares: {
    usual: run(''),
    nobody: run(` --disturb nobody=${SHARE}`),
    ...Object.fromEntries(DISTURBED.map(([name, options]) => [name, run(options)])),
  },
  write: (found) =>
    [
      'Mean job completion time relative to that of the same policy undisturbed; in brackets the worst seed. Wrong tool times',
      'are wrong for good: the policy never hears the true ones. Programs that misbehave are left out on both sides.',
      '',
      disturbedTable(found),
      '',
      'What that comes to in seconds (longest), bursts of thirty:',
      '',
      jctTable(found.cells('largeBursts')),
    ].join('\n'),
};

const disturbedTable = ({ cells }: Found): string => {
  const policies = POLICIES.split(',');
  return markdownTable(
    ['what is wrong', ...policies.flatMap((policy) => LOADS.map((load) => `${policy}, ${load}`))],
    DISTURBED.map(([name, , title, base]) => [
      title,
      ...policies.flatMap((policy) =>
        LOADS.map((load) => {
          const { value, worst } = ratioOf(cells(name).of(policy, load), cells(base).of(policy, load));
          return `${ratioText(value)} (${ratioText(worst)})`;
        }),
      ),
    ]),
  );
};
