import { ApiKeyRepository, Database, TenantRepository, type KeyRole } from '@holdfast/persistence';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { instant } from '@holdfast/scheduling';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { startTestPlane, stopTestPlanes, TestClient, type TestPlane } from '../control-plane.fixture.js';
import { apiKeyText, hashSecret, newApiKey } from '../identity/api-key.js';
import { chat, say, textOf, type HttpAnswer } from './openai.fixture.js';

// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;
let database: Database;
let plane: TestPlane;
let base: string;
const clients: TestClient[] = [];

/** A key of a tenant, which is made with it. */
const keyFor = async (tenantId: string, role: KeyRole, turnsPerSecond: number | null = null): Promise<string> => {
  const parts = newApiKey();
  const limits = { maxLivePrograms: null, turnsPerSecond, maxPinnedTokens: null };
  await new TenantRepository(database).create({
    tenantId,
    name: tenantId,
    version: 1,
    createdAt: instant(1),
    ...limits,
  });
  await new ApiKeyRepository(database).create({
    keyId: `key-${randomUUID()}`,
    prefix: parts.prefix,
    tenantId,
    role,
    name: 'spec',
    hash: await hashSecret(parts.secret),
    createdAt: instant(1),
    expiresAt: null,
    revokedAt: null,
  });
  return apiKeyText(parts);
};

const bearer = (key: string): { readonly authorization: string } => ({ authorization: `Bearer ${key}` });
const programOf = ({ headers }: HttpAnswer): string => headers.get('x-holdfast-program') ?? '';
const short = { messages: [say('user', 'who am I?')], max_tokens: 4 };

const clientOf = (key: string): TestClient => {
  const client = new TestClient(plane.running.grpcAddress, key);
  clients.push(client);
  return client;
};

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  database = new Database({ url: postgres.url, logger: pino({ level: 'silent' }) });
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-openai-'));
  plane = await startTestPlane({
    databaseUrl: postgres.url,
    env: { HOLDFAST_AUTH: 'keys', HOLDFAST_ADMIN_KEY_FILE: join(folder, 'admin.key') },
  });
  base = `http://${plane.running.httpAddress}/v1`;
});

afterAll(async () => {
  for (const client of clients) client.close();
  await stopTestPlanes();
  await database.close();
  await postgres.stop();
});

describe('a caller of the OpenAI API', () => {
  it.each([
    ['no key', {}],
    ['another scheme', { authorization: 'Basic eDp5' }],
    ['an unknown key', bearer(apiKeyText(newApiKey()))],
    ['a key of OpenAI', bearer('sk-proj-1')],
  ])('is refused with %s, whatever it asks for', async (_, headers) => {
    const answers = [
      await chat(base, short, headers),
      await chat(base, { nonsense: true }, headers),
      ...(await Promise.all(
        ['models', 'models/fake-model'].map(async (path) => {
          const response = await fetch(`${base}/${path}`, { headers });
          return { status: response.status, headers: response.headers, body: await response.json() };
        }),
      )),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(401);
      expect(body).toMatchObject({
        error: { type: 'authentication_error', code: expect.stringMatching(/^(invalid_api_key|credentials_missing)$/) },
      });
    }
  });

  it('with a role that only looks sees models and runs nothing', async () => {
    const viewer = bearer(await keyFor('watchers', 'viewer'));
    expect((await fetch(`${base}/models`, { headers: viewer })).status).toBe(200);
    const answer = await chat(base, short, viewer);
    expect(answer.status).toBe(403);
    expect(answer.body).toMatchObject({ error: { type: 'permission_error', code: 'role_insufficient' } });
  });

  it('gets as many turns a second as its tenant may have, and hears when to come again', async () => {
    const slow = bearer(await keyFor('slow', 'agent', 1));
    const answers = [await chat(base, short, slow), await chat(base, short, slow), await chat(base, short, slow)];
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({ error: { type: 'rate_limit_error', code: 'quota_exceeded' } });
    expect(Number(refused?.headers.get('retry-after-ms'))).toBeGreaterThan(0);
  });
});

describe('tenants', () => {
  it('share no program, whatever session or program they name and whatever they say', async () => {
    const [one, other] = [await keyFor('one', 'agent'), await keyFor('other', 'agent')];
    for (const headers of [{}, { 'x-session-id': 's' }, { 'x-holdfast-program': 'p' }]) {
      const messages = [say('user', `the same words ${JSON.stringify(headers)}`)];
      const first = await chat(base, { messages, max_tokens: 4 }, { ...headers, ...bearer(one) });
      const next = [...messages, say('assistant', textOf(first.body)), say('user', 'go on')];
      const theirs = await chat(base, { messages: next, max_tokens: 4 }, { ...headers, ...bearer(other) });
      const mine = await chat(base, { messages: next, max_tokens: 4 }, { ...headers, ...bearer(one) });
      expect([first, theirs, mine].map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(programOf(mine)).toBe(programOf(first));
      expect(programOf(theirs)).not.toBe(programOf(first));
    }
  });

  it('may name a program that the SDK began, their own alone', async () => {
    const [one, other] = [await keyFor('sdk-one', 'agent'), await keyFor('sdk-other', 'agent')];
    const programId = await clientOf(one).start({ name: 'mixed' });
    const named = { 'x-holdfast-program': programId };
    expect(programOf(await chat(base, short, { ...named, ...bearer(one) }))).toBe(programId);
    const theirs = programOf(await chat(base, short, { ...named, ...bearer(other) }));
    expect(theirs).not.toBe(programId);
    // The id that the service gives a tenant's program is nobody's to name.
    const forged = { 'x-holdfast-program': `sdk-one~${programId}` };
    expect(programOf(await chat(base, short, { ...forged, ...bearer(other) }))).not.toContain(programId);
  });

  it('find the program of an answer under the id that its header names', async () => {
    const key = await keyFor('finder', 'agent');
    const programId = programOf(await chat(base, short, bearer(key)));
    expect(programId).not.toContain('~');
    const { program } = await clientOf(key).call('getProgram', { programId });
    expect(program?.programId).toBe(programId);
    const stranger = clientOf(await keyFor('stranger', 'admin'));
    expect((await stranger.failure(stranger.call('getProgram', { programId }))).details?.reason).toBe(
      'PROGRAM_NOT_FOUND',
    );
  });
});
