/** REST as a test calls it, and what it acts on. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyRole } from '@holdfast/persistence';
import { append, exactly, someIds, startTestPlane, TestClient, type TestPlane } from '../control-plane.fixture.js';

/** An answer of REST. */
export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Null when there is none. */
  readonly body: Json;
}

// What a test looks at depends on the operation.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any;

/** What goes with a request. */
export interface RestOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls REST with one key. */
export class RestClient {
  constructor(
    private readonly base: string,
    readonly key: string,
  ) {}

  /** `path` is below /api/v1. */
  async call(method: string, path: string, { body, headers }: RestOptions = {}): Promise<RestAnswer> {
    const response = await fetch(`${this.base}/api/v1${path}`, {
      method,
      headers: {
        ...(this.key === '' ? {} : { authorization: `Bearer ${this.key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
  }

  get(path: string): Promise<RestAnswer> {
    return this.call('GET', path);
  }

  /** Reads until what was written behind is there. */
  async until(path: string, isThere: (body: Json) => boolean): Promise<Json> {
    for (;;) {
      const { status, body } = await this.get(path);
      if (status === 200 && isThere(body)) return body;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Starts a plane that wants keys; after another one, with its pool and its first key. */
export const startGuardedPlane = async (
  databaseUrl: string,
  before?: Pick<TestPlane, 'pool' | 'adminKey'>,
): Promise<TestPlane> => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-rest-'));
  if (before !== undefined) await writeFile(join(folder, 'admin.key'), before.adminKey);
  return startTestPlane({
    databaseUrl,
    ...(before === undefined ? {} : { pool: before.pool }),
    engines: [{}, {}],
    env: {
      HOLDFAST_AUTH: 'keys',
      HOLDFAST_ADMIN_KEY_FILE: join(folder, 'admin.key'),
      // What is tested here is not how fast a test may call.
      HOLDFAST_REST_RATE: '100000',
    },
  });
};

/** REST with the plane's first key. */
export const adminOf = (plane: TestPlane): RestClient =>
  new RestClient(`http://${plane.running.httpAddress}`, plane.adminKey);

/** A key of a tenant, which is made when it is not there. */
export const keyOf = async (plane: TestPlane, tenantId: string, role: KeyRole): Promise<RestClient> => {
  const admin = adminOf(plane);
  const noLimits = { maxLivePrograms: null, turnsPerSecond: null, maxPinnedTokens: null };
  await admin.call('POST', '/tenants', { body: { tenantId, name: `team ${tenantId}`, ...noLimits } });
  const made = await admin.call('POST', '/keys', {
    body: { tenantId, role, name: `${role} of ${tenantId}`, expiresInSeconds: null },
  });
  return new RestClient(`http://${plane.running.httpAddress}`, made.body.key);
};

/** Runs a program with turns and a tool call, and leaves it with the tool running and its KV held. */
export const runProgram = async (plane: TestPlane, key: string, programId: string): Promise<void> => {
  const client = new TestClient(plane.running.grpcAddress, key);
  try {
    await client.start({ programId, name: `run ${programId}`, programClass: 'swe-agent' });
    await client.turn({ programId, input: append(someIds(64)), sampling: exactly(8) });
    await client.call('beginToolCall', { programId, toolCallId: 'call-1', tool: 'bash', command: 'npm test' });
    await client.call('endToolCall', { programId, toolCallId: 'call-1' });
    await client.turn({ programId, input: append(someIds(16)), sampling: exactly(8), requestId: randomUUID() });
    await client.call('beginToolCall', { programId, toolCallId: 'call-2', tool: 'bash', command: 'sleep 60' });
  } finally {
    client.close();
  }
};

/** Runs a program as `runProgram` does, under an id of its own and with the plane's first key; returns the id. */
export const someProgram = async (plane: TestPlane): Promise<string> => {
  const programId = `prg-${randomUUID()}`;
  await runProgram(plane, plane.adminKey, programId);
  return programId;
};

/** The newest entry of the audit log. */
export const lastAudit = async (admin: RestClient): Promise<unknown> =>
  (await admin.get('/audit?pageSize=1')).body.items[0];
