/**
 * Every operation of REST and every rpc, called by another tenant's admin with the ids of a tenant's things: what is
 * answered is what is answered for things that were never there. The operations come from the OpenAPI document and the
 * service definition, so that a new one without a line here fails.
 */
import { program as wire } from '@holdfast/contracts';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { append, exactly, someIds, stopTestPlanes, TestClient, type TestPlane } from '../control-plane.fixture.js';
import { openApiDocument } from './openapi.js';
import { operations } from './operations.js';
import { adminOf, keyOf, RestClient, runProgram, startGuardedPlane, type Json } from './rest.fixture.js';

const document = openApiDocument(operations) as Json;
const SECRET = 'secret-plan';
const NEVER = 'never-there';

interface Described {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly params: readonly string[];
  readonly hasTenantFilter: boolean;
  readonly hasBody: boolean;
  readonly isService: boolean;
}

const described: readonly Described[] = Object.entries(document.paths as Json).flatMap(([path, methods]) =>
  Object.entries(methods as Json).map(([method, operation]: [string, Json]) => ({
    id: operation.operationId,
    method: method.toUpperCase(),
    path,
    params: operation.parameters.filter((one: Json) => one.in === 'path').map((one: Json) => one.name),
    hasTenantFilter: operation.parameters.some((one: Json) => one.in === 'query' && one.name === 'tenantId'),
    hasBody: operation.requestBody !== undefined,
    isService: operation.description.includes('of the default tenant'),
  })),
);

const noLimits = { maxLivePrograms: null, turnsPerSecond: null, maxPinnedTokens: null };

/** A body that each operation takes. */
const bodies: Readonly<Record<string, object>> = {
  invalidateChunks: { source: 'handbook' },
  buildChunks: { source: 'handbook' },
  prefetchChunks: { source: 'handbook' },
  changeChunkQuota: { quotaBytes: 1_000 },
  endProgram: { outcome: 'failed', message: 'by another tenant' },
  changePriority: { priority: 2 },
  renewPin: { ttlSeconds: 10 },
  registerEngine: { address: '127.0.0.1:7998', kvControlAddress: null },
  drainEngine: { isDraining: true },
  createTenant: { tenantId: 'rivals-own', name: 'x', ...noLimits },
  changeTenant: { name: 'x', ...noLimits },
  createPolicy: { policy: 'vllm-fcfs', note: 'x' },
  activatePolicy: { version: 1 },
  dryRunPolicy: { candidate: 'vllm-fcfs', windowSeconds: null },
  createKey: { tenantId: 'acme', role: 'admin', name: 'x', expiresInSeconds: null },
};

let postgres: EmbeddedPostgres;
let plane: TestPlane;
let acme: RestClient;
let rival: RestClient;
/** Of each path parameter: acme's, and one that nobody has. */
let ids: Readonly<Record<string, { readonly acme: string; readonly never: string }>>;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  plane = await startGuardedPlane(postgres.url);
  acme = await keyOf(plane, 'acme', 'admin');
  rival = await keyOf(plane, 'rival', 'admin');
  await runProgram(plane, acme.key, SECRET);
  const turns = await acme.until(`/programs/${SECRET}/turns`, ({ items }) => items.length === 2);
  const { items: keys } = (await acme.get('/keys')).body;
  const [engine] = (await adminOf(plane).get(`/pools/${plane.pool}/engines`)).body.items;
  ids = {
    programId: { acme: SECRET, never: NEVER },
    turnId: { acme: turns.items[0].turnId, never: 'turn-never' },
    keyId: { acme: keys[0].keyId, never: 'key-never' },
    tenantId: { acme: 'acme', never: 'nobody' },
    poolId: { acme: plane.pool, never: 'no-pool' },
    engineId: { acme: engine.engineId, never: 'no-engine' },
    version: { acme: '1', never: '99' },
    jobId: { acme: 'row-retention.now', never: 'no-job' },
  };
});

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
});

const pathOf = ({ path, params, hasTenantFilter }: Described, whose: 'acme' | 'never'): string => {
  const filled = params.reduce((text, name) => {
    const value = ids[name];
    if (value === undefined) throw new Error(`the path parameter ${name} has no ids here: give it some`);
    return text.replace(`{${name}}`, encodeURIComponent(value[whose]));
  }, path);
  return hasTenantFilter ? `${filled}?tenantId=${whose === 'acme' ? 'acme' : 'nobody'}` : filled;
};

const askAs = async (client: RestClient, operation: Described, path: string): Promise<Json> => {
  const body = bodies[operation.id];
  if (operation.hasBody && body === undefined) throw new Error(`${operation.id} has no body here: give it one`);
  const { status, body: answer } = await client.call(operation.method, path, {
    ...(operation.hasBody ? { body } : {}),
    headers: { 'if-match': '*' },
  });
  return { status, answer };
};

/** The answer but for what the caller itself has named, and the id of the request. */
const words = ({ status, answer }: Json): string => {
  let text = JSON.stringify({ status, answer: { ...answer, instance: '' } });
  for (const { acme: one, never } of Object.values(ids)) text = text.replaceAll(one, 'ID').replaceAll(never, 'ID');
  return text;
};

describe('REST', () => {
  it.each(described.map((operation) => [operation.id, operation] as const))(
    '%s shows and changes nothing of another tenant',
    async (_id, operation) => {
      const theirs = await askAs(rival, operation, pathOf(operation, 'acme'));
      const nobodys = await askAs(rival, operation, pathOf(operation, 'never'));
      // What was never there and what is another's is the same.
      expect(words(theirs)).toBe(words(nobodys));
      expect(JSON.stringify(theirs.answer)).not.toContain(`run ${SECRET}`);
      if (operation.isService) expect(theirs.status).toBe(403);
      else if (operation.params.length > 0) expect(theirs.status).toBe(404);
      // The service's own name of it is no way around.
      if (operation.params.includes('programId')) {
        const scoped = pathOf(operation, 'acme').replace(SECRET, `acme~${SECRET}`);
        const { status } = await askAs(rival, operation, scoped);
        expect(status).toBe(404);
      }
    },
  );

  it("lists of what is one's own hold nothing of another tenant", async () => {
    const lists = described.filter(
      ({ method, params, isService }) => method === 'GET' && params.length === 0 && !isService,
    );
    expect(lists.length).toBeGreaterThan(3);
    for (const { path } of lists) {
      const { status, body } = await rival.get(path);
      expect([path, status]).toEqual([path, 200]);
      const text = JSON.stringify(body);
      for (const word of [SECRET, 'acme']) expect([path, text.includes(word)]).toEqual([path, false]);
    }
  });

  it('does not make a key for another tenant', async () => {
    const operation = described.find(({ id }) => id === 'createKey') as Described;
    const theirs = await askAs(rival, operation, operation.path);
    expect([theirs.status, theirs.answer.reason]).toEqual([404, 'TENANT_NOT_FOUND']);
  });

  it('has left acme as it was', async () => {
    const { body } = await acme.get(`/programs/${SECRET}`);
    expect(body).toMatchObject({ programId: SECRET, state: 'toolCall', priority: 0 });
    expect(body.pin).not.toBeNull();
    expect((await acme.get('/tenants/acme')).body.name).toBe('team acme');
    expect((await acme.get('/keys')).body.items.every((key: Json) => key.revokedAt === null)).toBe(true);
  });

  it('lets nobody in by a key of another role than the document says', async () => {
    const agent = await keyOf(plane, 'acme', 'agent');
    for (const operation of described) {
      const { status } = await askAs(agent, operation, pathOf(operation, 'acme'));
      expect([operation.id, status]).toEqual([operation.id, 403]);
    }
  });
});

describe('the rpcs', () => {
  const requests: Readonly<Record<string, (client: TestClient, programId: string) => Promise<unknown>>> = {
    startProgram: (client, programId) => client.call('startProgram', { programId, requestId: randomUUID() }),
    runTurn: (client, programId) => client.turn({ programId, input: append(someIds(8)), sampling: exactly(2) }),
    beginToolCall: (client, programId) => client.call('beginToolCall', { programId, toolCallId: 'c', tool: 'bash' }),
    endToolCall: (client, programId) => client.call('endToolCall', { programId, toolCallId: 'call-2' }),
    endProgram: (client, programId) => client.call('endProgram', { programId }),
    getProgram: (client, programId) => client.call('getProgram', { programId }),
    listPrograms: (client) => client.call('listPrograms', { pageSize: 500 }),
    watchProgram: async (client, programId) => {
      const stream = client.watch(programId);
      for await (const message of stream) return message;
      return null;
    },
  };

  const outcome = async (call: Promise<unknown>): Promise<string> => {
    const text = (value: unknown): string =>
      JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
    try {
      return text(await call);
    } catch (error) {
      const { code, message, details } = error as { code: number; message: string; details: unknown };
      return text({ code, message, details });
    }
  };

  it('are all here', () => {
    expect(Object.keys(requests).sort()).toEqual(Object.keys(wire.ProgramServiceService).sort());
  });

  it.each(Object.keys(wire.ProgramServiceService).filter((name) => name !== 'startProgram'))(
    '%s shows and changes nothing of another tenant',
    async (name) => {
      const client = new TestClient(plane.running.grpcAddress, rival.key);
      const request = requests[name] as (typeof requests)[string];
      const theirs = await outcome(request(client, SECRET));
      const nobodys = await outcome(request(client, NEVER));
      client.close();
      expect(theirs.replaceAll(SECRET, 'ID')).toBe(nobodys.replaceAll(NEVER, 'ID'));
      expect(theirs).not.toContain(`run ${SECRET}`);
    },
  );

  it('startProgram gives another tenant a program of its own under the same id', async () => {
    const client = new TestClient(plane.running.grpcAddress, rival.key);
    await requests['startProgram']?.(client, SECRET);
    await client.call('endProgram', { programId: SECRET });
    client.close();
    expect((await acme.get(`/programs/${SECRET}`)).body.state).toBe('toolCall');
  });
});
