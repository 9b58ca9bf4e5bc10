/**
 * Schemathesis (PyPI) over the whole OpenAPI document, as an admin of the service: what is answered is what the document
 * says, whatever is asked. It ends programs, takes engines away and changes limits, so it has a service of its own.
 */
import { Holdfast } from '@holdfast/sdk';
import { ServiceProcesses } from '@holdfast/testing/processes';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { places } from './places.fixture.js';

const MINUTES = 60_000;
const EXAMPLES = 50;

const schemathesis = join(places.venv, 'bin/st');

let services: ServiceProcesses;
let folder: string;
let adminKey: string;

const api = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
  const response = await fetch(`http://${services.httpAddress}/api${path}`, {
    method,
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as Record<string, unknown>;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-schemathesis-'));
  const keyFile = join(folder, 'admin.key');
  services = new ServiceProcesses({
    engines: 1,
    timeScale: 100,
    env: { HOLDFAST_AUTH: 'keys', HOLDFAST_ADMIN_KEY_FILE: keyFile, HOLDFAST_REST_RATE: '100000' },
  });
  await services.start();
  adminKey = (await readFile(keyFile, 'utf8')).trim();
  // Something to find: programs with a turn, a tool call, and KV that is held.
  const holdfast = new Holdfast({ address: services.address, apiKey: adminKey });
  for (const name of ['one', 'two', 'three']) {
    const program = await holdfast.start({ name });
    await program.turn({ messages: [{ role: 'user', content: 'Run the tests.' }], maxTokens: 32 });
    await program.tool('bash', { command: 'npm test' }, () => 'all passed');
  }
  holdfast.close();
}, 2 * MINUTES);

afterAll(async () => {
  await services.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs it to its end; what it prints goes to this process's output. */
const run = (key: string): Promise<number | null> => {
  const config = fileURLToPath(new URL('schemathesis.toml', import.meta.url));
  const url = `http://${services.httpAddress}/api/openapi.json`;
  const report = ['--report', 'ndjson', '--report-dir', folder];
  const args = ['--config-file', config, 'run', url, '-H', `Authorization: Bearer ${key}`, ...report];
  const child = spawn(schemathesis, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: folder });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
};

/** Requests that each operation got, in all phases together. */
const requestsByOperation = async (): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>();
  const [report = ''] = (await readdir(folder)).filter((name) => name.endsWith('.ndjson'));
  for await (const line of createInterface({ input: createReadStream(join(folder, report)) })) {
    const { ScenarioFinished: scenario } = JSON.parse(line) as { ScenarioFinished?: Scenario };
    for (const { value } of Object.values(scenario?.recorder?.cases ?? {})) {
      const operation = `${value.method} ${value.path}`;
      counts.set(operation, (counts.get(operation) ?? 0) + 1);
    }
  }
  return counts;
};

interface Scenario {
  /** Nothing was sent in a scenario that was skipped. */
  readonly recorder?: { readonly cases?: Readonly<Record<string, { readonly value: Sent }>> };
}

interface Sent {
  readonly method: string;
  readonly path: string;
}

interface Described {
  readonly parameters: readonly unknown[];
  readonly requestBody?: unknown;
}

describe('schemathesis', () => {
  it(
    `finds nothing in at least ${EXAMPLES} requests to each operation`,
    async () => {
      const fuzz = { tenantId: null, role: 'admin', name: 'schemathesis', expiresInSeconds: null };
      const { key } = await api('POST', '/v1/keys', fuzz);
      expect(await run(String(key))).toBe(0);
      // It has not shut itself out on the way.
      adminKey = String(key);
      expect(await api('GET', '/v1/programs')).toHaveProperty('items');
      const { paths } = (await api('GET', '/openapi.json')) as { paths: Record<string, Record<string, Described>> };
      const requests = await requestsByOperation();
      const operations = Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, { parameters, requestBody }]) => {
          const name = `${method.toUpperCase()} ${path}`;
          // There is one way to call an operation that takes nothing.
          const isVaried = parameters.length > 0 || requestBody !== undefined;
          return { name, wanted: isVaried ? EXAMPLES : 1, sent: requests.get(name) ?? 0 };
        }),
      );
      const total = [...requests.values()].reduce((sum, count) => sum + count, 0);
      console.log(`${operations.length} operations, ${total} requests`);
      expect(operations.filter(({ wanted, sent }) => sent < wanted)).toEqual([]);
    },
    30 * MINUTES,
  );
});
