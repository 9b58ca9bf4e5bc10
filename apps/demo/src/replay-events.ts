#!/usr/bin/env node
import { replayFile } from './record/replay-events.js';

const [file, ...rest] = process.argv.slice(2);
if (file === undefined || rest.length > 0) {
  process.stderr.write('usage: node apps/demo/dist/replay-events.js FOLDER/POLICY.events.jsonl\n');
  process.exit(2);
}
try {
  for await (const line of replayFile(file)) process.stdout.write(`${line}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
