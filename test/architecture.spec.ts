import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { ESLint } from 'eslint';

const root = fileURLToPath(new URL('..', import.meta.url));

// In CI typescript-eslint reads each file once, from disk, and would never see what is planted.
process.env['TSESTREE_SINGLE_RUN'] = 'false';

/** Lints `code` as if it were the text of an existing file, so that the rules of its project apply. */
const rulesBroken = async (file: string, code: string): Promise<string[]> => {
  const eslint = new ESLint({ cwd: root });
  const [result] = await eslint.lintText(code, { filePath: join(root, file) });
  return (result?.messages ?? []).map((message) => message.ruleId ?? message.message);
};

const KERNEL_FILE = 'libs/scheduling/src/kernel/kernel.ts';
const CHUNK_FILE = 'libs/chunk-cache/src/plan/lay-segments.ts';
const SIMULATION_FILE = 'libs/simulation/src/index.ts';

describe('lint catches what is planted', () => {
  beforeAll(() => {
    execFileSync('node_modules/.bin/nx', ['graph', '--file=.nx/graph.json'], { cwd: root, stdio: 'ignore' });
  }, 60_000);

  it.each([
    [
      KERNEL_FILE,
      `import { Reason } from '@holdfast/contracts';\nexport const x = Reason;`,
      '@nx/enforce-module-boundaries',
    ],
    [KERNEL_FILE, `import { z } from 'zod';\nexport const x = z;`, '@nx/enforce-module-boundaries'],
    [KERNEL_FILE, `import { readFileSync } from 'node:fs';\nexport const x = readFileSync;`, 'no-restricted-imports'],
    [KERNEL_FILE, `export const x = Date.now();`, 'no-restricted-globals'],
    [KERNEL_FILE, `export const x = Math.random();`, 'no-restricted-properties'],
    [KERNEL_FILE, `export const x = (): void => void setTimeout(() => undefined, 1);`, 'no-restricted-globals'],
    [KERNEL_FILE, `export const x = async (): Promise<number> => 1;`, 'no-restricted-syntax'],
    [CHUNK_FILE, `export const x = Date.now();`, 'no-restricted-globals'],
    [CHUNK_FILE, `import { createHash } from 'node:crypto';\nexport const x = createHash;`, 'no-restricted-imports'],
    [
      CHUNK_FILE,
      `import { chunk } from '@holdfast/contracts';\nexport const x = chunk;`,
      '@nx/enforce-module-boundaries',
    ],
    [SIMULATION_FILE, `export const x = performance.now();`, 'no-restricted-globals'],
    [
      SIMULATION_FILE,
      `import { Kernel } from '@holdfast/engines';\nexport type X = Kernel;`,
      '@nx/enforce-module-boundaries',
    ],
    [
      'apps/control-plane/src/main.ts',
      `import { EngineModel } from '@holdfast/simulation';\nexport const x = EngineModel;`,
      '@nx/enforce-module-boundaries',
    ],
    ['apps/control-plane/src/main.ts', `import pg from 'pg';\nexport const x = pg;`, '@nx/enforce-module-boundaries'],
    [
      'apps/control-plane/src/main.ts',
      `import { Queue } from 'bullmq';\nexport const x = Queue;`,
      '@nx/enforce-module-boundaries',
    ],
    [
      'libs/jobs/src/index.ts',
      `import { Database } from '@holdfast/persistence';\nexport const x = Database;`,
      '@nx/enforce-module-boundaries',
    ],
    [
      'libs/engines/src/index.ts',
      `import { x } from '@holdfast/persistence';\nexport const y = x;`,
      '@nx/enforce-module-boundaries',
    ],
    [
      'libs/sdk/src/index.ts',
      `import { createKernel } from '@holdfast/scheduling';\nexport const y = createKernel;`,
      '@nx/enforce-module-boundaries',
    ],
  ])('in %s: %s', async (file, code, rule) => {
    expect(await rulesBroken(file, code)).toContain(rule);
  });

  it('and nothing where nothing is wrong', async () => {
    expect(await rulesBroken(KERNEL_FILE, readFileSync(join(root, KERNEL_FILE), 'utf8'))).toEqual([]);
  });
});

describe('the project graph', () => {
  it('has the layers of the design', () => {
    const scratch = mkdtempSync(join(tmpdir(), 'holdfast-graph-'));
    try {
      const file = join(scratch, 'graph.json');
      execFileSync('node_modules/.bin/nx', ['graph', `--file=${file}`], { cwd: root, stdio: 'ignore' });
      const { graph } = JSON.parse(readFileSync(file, 'utf8')) as {
        graph: { dependencies: Record<string, { target: string }[]> };
      };
      const targetsOf = (project: string): string[] =>
        (graph.dependencies[`@holdfast/${project}`] ?? [])
          .map(({ target }) => target)
          .filter((target) => target.startsWith('@holdfast/') && target !== '@holdfast/testing')
          .map((target) => target.slice('@holdfast/'.length))
          .sort();
      expect(targetsOf('scheduling')).toEqual([]);
      expect(targetsOf('chunk-cache')).toEqual([]);
      expect(targetsOf('simulation')).toEqual(['scheduling']);
      expect(targetsOf('contracts')).toEqual([]);
      expect(targetsOf('sdk')).toEqual(['contracts']);
      expect(targetsOf('control-plane')).not.toContain('simulation');
      // Engines execute plans of the scheduler and of the chunk cache; persistence knows neither's rules.
      const pure = ['contracts', 'platform', 'scheduling'];
      expect(['chunk-cache', ...pure]).toEqual(expect.arrayContaining(targetsOf('engines')));
      expect(pure).toEqual(expect.arrayContaining(targetsOf('persistence')));
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }, 60_000);
});
