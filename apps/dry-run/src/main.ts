#!/usr/bin/env node
import { text } from 'node:stream/consumers';
import { dryRun } from './dry-run.js';
import { dryRunRequest } from './request.js';

const problemOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

try {
  const request = dryRunRequest.parse(JSON.parse(await text(process.stdin)));
  process.stdout.write(`${JSON.stringify(dryRun(request))}\n`);
} catch (error) {
  process.stderr.write(`the dry run could not be done: ${problemOf(error)}\n`);
  process.exitCode = 2;
}
