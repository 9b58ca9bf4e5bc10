import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceStack } from '../processes/service-stack.js';
import { canonicalJson } from './canonical-json.js';

/**
 * Takes what the service has stored of a run out of its database: `POLICY.events.jsonl` (a header, then what the kernel
 * was told) and `POLICY.decisions.jsonl` (what it decided). The service must have stopped.
 */
export const recordRun = async (
  stack: ServiceStack,
  { folder, policy }: { readonly folder: string; readonly policy: string },
): Promise<void> => {
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-record-'));
  try {
    const prefix = join(scratch, 'run');
    await stack.exportLog(prefix);
    for (const kind of ['events', 'decisions']) {
      const lines = (await readFile(`${prefix}.${kind}.jsonl`, 'utf8')).split('\n').filter((line) => line !== '');
      const text = lines.map((line) => `${canonicalJson(JSON.parse(line))}\n`).join('');
      await writeFile(join(folder, `${policy.replaceAll(/[^\w.=-]/g, '_')}.${kind}.jsonl`), text);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
};
