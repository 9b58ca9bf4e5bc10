// Writes the trace that comes with the lab (data/traces/README.md): every third program of a trace of any known format,
// in the lab's own format. Run after a build: node apps/lab/tools/bundle-trace.mjs FROM TO
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { readTrace } from '../dist/trace-files/read-trace.js';

const EVERY = 3;
const [from, to] = process.argv.slice(2);
if (to === undefined) throw new Error('allowed are two arguments: the trace to read, the file to write');

const toLine = ({ programId, programClass, turns }) => {
  let contextTokens = 0;
  return JSON.stringify({
    program: programId,
    class: programClass,
    turns: turns.map(({ promptTokens, sharedTokens, outputTokens, tool, gap }) => {
      const shared = sharedTokens === contextTokens ? {} : { shared: sharedTokens };
      contextTokens = promptTokens + outputTokens;
      return { prompt: promptTokens, ...shared, output: outputTokens, ...(tool && { tool }), gapSeconds: gap / 1e6 };
    }),
  });
};

const lines = [];
let place = 0;
await readTrace(from, (program) => {
  if (place % EVERY === 0) lines.push(toLine(program));
  place += 1;
});
writeFileSync(to, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
console.log(`${lines.length} programs, written to ${to}`);
