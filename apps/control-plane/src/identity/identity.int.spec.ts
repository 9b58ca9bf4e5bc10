import { credentials, Metadata, status } from '@grpc/grpc-js';
import { program as wire } from '@holdfast/contracts';
import { ApiKeyRepository, Database, TenantRepository, type KeyRole } from '@holdfast/persistence';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { instant } from '@holdfast/scheduling';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import {
  append,
  exactly,
  someIds,
  startTestPlane,
  stopTestPlanes,
  TestClient,
  type TestPlane,
} from '../control-plane.fixture.js';
import { apiKeyText, hashSecret, newApiKey } from './api-key.js';

let postgres: EmbeddedPostgres;
let database: Database;
let plane: TestPlane;
let folder: string;
const clients: TestClient[] = [];

const keyFor = async (
  tenantId: string,
  role: KeyRole,
  changes: { readonly expiresAt?: number } = {},
): Promise<string> => {
  const parts = newApiKey();
  await new TenantRepository(database).create({
    tenantId,
    name: tenantId,
    version: 1,
    createdAt: instant(1),
    maxLivePrograms: null,
    turnsPerSecond: null,
    maxPinnedTokens: null,
  });
  await new ApiKeyRepository(database).create({
    keyId: `key-${randomUUID()}`,
    prefix: parts.prefix,
    tenantId,
    role,
    name: 'spec',
    hash: await hashSecret(parts.secret),
    createdAt: instant(1),
    expiresAt: changes.expiresAt === undefined ? null : instant(changes.expiresAt),
    revokedAt: null,
  });
  return apiKeyText(parts);
};

const clientOf = async (tenantId: string, role: KeyRole): Promise<TestClient> => withKey(await keyFor(tenantId, role));

const withKey = (key: string): TestClient => {
  const client = new TestClient(plane.running.grpcAddress, key);
  clients.push(client);
  return client;
};

const reasonOf = async (client: TestClient, call: Promise<unknown>): Promise<unknown> =>
  (await client.failure(call)).details?.reason;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  folder = await mkdtemp(join(tmpdir(), 'holdfast-identity-'));
  database = new Database({ url: postgres.url, logger: pino({ level: 'silent' }) });
  plane = await startTestPlane({
    databaseUrl: postgres.url,
    env: { HOLDFAST_AUTH: 'keys', HOLDFAST_ADMIN_KEY_FILE: join(folder, 'keys', 'admin.key') },
  });
});

afterAll(async () => {
  for (const client of clients) client.close();
  await stopTestPlanes();
  await database.close();
  await postgres.stop();
});

describe('the first key', () => {
  it('is made where only its owner reads it, and works', async () => {
    const file = join(folder, 'keys', 'admin.key');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readFile(file, 'utf8')).trim()).toMatch(/^hf_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    expect(await plane.client.start({ name: 'first' })).toMatch(/^prg-/);
  });

  it('is the one in the file when there is one, and only its hash is stored', async () => {
    const file = join(folder, 'given.key');
    const key = apiKeyText(newApiKey());
    await writeFile(file, `${key}\n`);
    const second = await startTestPlane({
      databaseUrl: postgres.url,
      env: { HOLDFAST_AUTH: 'keys', HOLDFAST_ADMIN_KEY_FILE: file },
    });
    expect(await second.client.start()).toMatch(/^prg-/);
    const { items } = await new ApiKeyRepository(database).list({ pageSize: 100 });
    expect(JSON.stringify(items)).not.toContain(key.slice(20));
    await second.stop();
  });

  it('is no other text that the file holds', async () => {
    const file = join(folder, 'wrong.key');
    await writeFile(file, 'hunter2');
    await expect(
      startTestPlane({
        databaseUrl: postgres.url,
        env: { HOLDFAST_AUTH: 'keys', HOLDFAST_ADMIN_KEY_FILE: file },
      }),
    ).rejects.toThrow('holds no API key');
  });
});

describe('an rpc', () => {
  it('needs a key', async () => {
    const nobody = withKey('');
    const failure = await nobody.failure(nobody.start());
    expect([failure.code, failure.details?.reason]).toEqual([status.UNAUTHENTICATED, 'CREDENTIALS_MISSING']);
    expect(await reasonOf(nobody, nobody.turn({ programId: 'p' }))).toBe('CREDENTIALS_MISSING');
  });

  it('refuses keys that are malformed, unknown, wrong or expired, in the same words', async () => {
    const good = await keyFor('acme', 'agent');
    const wrongSecret = `${good.slice(0, -4)}AAAA`;
    const expired = await keyFor('acme', 'agent', { expiresAt: 2 });
    const messages = [];
    for (const key of ['x', apiKeyText(newApiKey()), wrongSecret, expired]) {
      const client = withKey(key);
      const { code, message, details } = await client.failure(client.start());
      expect([code, details?.reason]).toEqual([status.UNAUTHENTICATED, 'CREDENTIALS_INVALID']);
      messages.push(message);
    }
    expect(new Set(messages).size).toBe(1);
  });

  it('lets viewers read and not run', async () => {
    const agent = await clientOf('acme', 'agent');
    const viewer = await clientOf('acme', 'viewer');
    const programId = await agent.start({ name: 'seen' });
    expect((await viewer.call('getProgram', { programId })).program?.name).toBe('seen');
    const failure = await viewer.failure(viewer.start());
    expect([failure.code, failure.details?.reason]).toEqual([status.PERMISSION_DENIED, 'ROLE_INSUFFICIENT']);
    expect(await reasonOf(viewer, viewer.call('endProgram', { programId }))).toBe('ROLE_INSUFFICIENT');
  });
});

describe('a tenant', () => {
  it('finds nothing of another tenant, in the words of what was never there', async () => {
    const [acme, rival] = [await clientOf('acme', 'admin'), await clientOf('rival', 'admin')];
    await acme.start({ programId: 'secret-plan' });
    const words = async (client: TestClient, programId: string): Promise<unknown> => {
      const failures = [
        await client.failure(client.call('getProgram', { programId })),
        await client.failure(client.call('beginToolCall', { programId, toolCallId: 'c', tool: 'bash' })),
        await client.failure(client.call('endToolCall', { programId, toolCallId: 'c' })),
        await client.failure(client.call('endProgram', { programId })),
        await client.failure(client.turn({ programId })),
      ];
      return JSON.parse(JSON.stringify(failures).replaceAll(programId, 'ID'));
    };
    const unknown = await words(rival, 'never-there');
    expect(await words(rival, 'secret-plan')).toEqual(unknown);
    // The default tenant runs agents too, and names of the service are no way around.
    expect(await words(plane.client, 'secret-plan')).toEqual(unknown);
    expect(await reasonOf(plane.client, plane.client.call('getProgram', { programId: 'acme~secret-plan' }))).toBe(
      'FIELD_INVALID',
    );
    expect((await acme.call('getProgram', { programId: 'secret-plan' })).program?.programId).toBe('secret-plan');
  });

  it('chooses ids and request ids that another tenant uses', async () => {
    const [acme, rival] = [await clientOf('acme', 'agent'), await clientOf('rival', 'agent')];
    const request = { programId: 'same-id', requestId: 'same-request' };
    await acme.start({ ...request, name: 'of acme' });
    await rival.start({ ...request, name: 'of rival' });
    const names = [];
    for (const client of [acme, rival])
      names.push((await client.call('getProgram', { programId: 'same-id' })).program?.name);
    expect(names).toEqual(['of acme', 'of rival']);
    const turn = await rival.turn({ programId: 'same-id', input: append(someIds(16)), sampling: exactly(4) });
    expect(turn.tokenIds).toHaveLength(4);
    const { programs } = await rival.call('listPrograms', { pageSize: 100 });
    expect(programs.map(({ programId }) => programId)).toEqual(['same-id']);
  });

  it('is held to its limits, and told when to try again', async () => {
    await keyFor('small', 'agent');
    await new TenantRepository(database).update('small', 1, {
      name: 'small',
      maxLivePrograms: 1,
      turnsPerSecond: 0.01,
      maxPinnedTokens: null,
    });
    const small = await clientOf('small', 'agent');
    const programId = await small.start();
    const full = await small.failure(small.start());
    expect([full.code, full.details?.reason, full.details?.metadata]).toEqual([
      status.RESOURCE_EXHAUSTED,
      'QUOTA_EXCEEDED',
      { limit: 'maxLivePrograms', allowed: '1' },
    ]);
    await small.turn({ programId });
    const fast = await small.failure(small.turn({ programId }));
    expect(fast.details?.metadata).toEqual({ limit: 'turnsPerSecond', allowed: '0.01' });
    expect(fast.details?.retryAfterMicros).toBeGreaterThan(1_000_000);
    await small.call('endProgram', { programId });
    expect(await small.start()).toMatch(/^prg-/);
  });
});

describe('reflection and health', () => {
  it('need no key, so that probes work', async () => {
    const raw = new wire.ProgramServiceClient(plane.running.grpcAddress, credentials.createInsecure());
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const identity = (bytes: Buffer): Buffer => bytes;
      raw.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        identity,
        identity,
        Buffer.alloc(0),
        new Metadata(),
        (error, value) =>
          error === null && value !== undefined ? resolve(value) : reject(error ?? new Error('no answer')),
      );
    });
    raw.close();
    expect([...answer]).toEqual([8, 1]);
  });
});
