import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { stopTestPlanes, type TestPlane } from '../control-plane.fixture.js';
import { adminOf, RestClient, runProgram, startGuardedPlane, lastAudit, someProgram } from './rest.fixture.js';

let postgres: EmbeddedPostgres;
let plane: TestPlane;
let admin: RestClient;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  plane = await startGuardedPlane(postgres.url);
  admin = adminOf(plane);
});

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
});

describe('a program over REST', () => {
  it('is shown as it is now, with the pin that is held', async () => {
    const programId = await someProgram(plane);
    const { status, body } = await admin.get(`/programs/${programId}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      programId,
      tenantId: 'default',
      programClass: 'swe-agent',
      state: 'toolCall',
      turnsFinished: 2,
      toolCallsEnded: 1,
      priority: 0,
      endedAt: null,
    });
    expect(body.startedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(body.pin.pinnedTokens).toBeGreaterThan(0);
    const { items } = await admin.until('/pins?pageSize=200', ({ items: pins }) => pins.length > 0);
    expect(items).toContainEqual(expect.objectContaining({ programId, engineId: body.pin.engineId }));
  });

  it('has a timeline whose pages join up, with turns, tool calls, pins and decisions in order of time', async () => {
    const programId = await someProgram(plane);
    const whole = await admin.until(
      `/programs/${programId}/timeline?pageSize=200`,
      ({ items }) =>
        items.filter(({ turn }: { turn: { state: string } | null }) => turn?.state === 'finished').length === 2 &&
        items.filter(({ kind }: { kind: string }) => kind === 'toolCall').length === 2,
    );
    expect(new Set(whole.items.map(({ kind }: { kind: string }) => kind))).toEqual(
      new Set(['turn', 'toolCall', 'pin', 'decision']),
    );
    const times = whole.items.map(({ at }: { at: string }) => at);
    expect(times).toEqual([...times].sort());
    const paged: unknown[] = [];
    for (let token: string | null = ''; token !== null;) {
      const { body } = await admin.get(
        `/programs/${programId}/timeline?pageSize=2${token === '' ? '' : `&pageToken=${token}`}`,
      );
      paged.push(...body.items);
      token = body.nextPageToken;
    }
    expect(paged.map((entry) => JSON.stringify(entry))).toEqual(
      whole.items.map((entry: unknown) => JSON.stringify(entry)),
    );
  });

  it('says why it waited and what it lost', async () => {
    const programId = await someProgram(plane);
    const body = await admin.until(
      `/programs/${programId}/explanation`,
      ({ turnsLookedAt, waits }) => turnsLookedAt === 2 && waits.length > 0 && waits[0].decision !== null,
    );
    expect(body.waits[0].decision).toMatchObject({ kind: 'dispatch', turnId: body.waits[0].turn.turnId });
    expect(body.waits[0].decision.reason).not.toBe('');
    expect(body.queueWaitSeconds).toBeGreaterThan(0);
  });

  it('lists what it did', async () => {
    const programId = await someProgram(plane);
    const turns = await admin.until(`/programs/${programId}/turns`, ({ items }) => items.length === 2);
    const { turnId } = turns.items[0];
    expect((await admin.get(`/programs/${programId}/turns/${turnId}`)).body.turn.turnId).toBe(turnId);
    const calls = await admin.until(`/programs/${programId}/tool-calls`, ({ items }) => items.length === 2);
    expect(calls.items.map(({ toolCallId }: { toolCallId: string }) => toolCallId)).toEqual(['call-1', 'call-2']);
    const kept = await admin.until(`/programs/${programId}/decisions?kind=retention`, ({ items }) => items.length > 0);
    expect(kept.items.every(({ kind }: { kind: string }) => kind === 'retention')).toBe(true);
    const pins = await admin.until(`/programs/${programId}/pins`, ({ items }) => items.length > 1);
    expect(pins.items[0].outcome).toBe('hit');
  });

  it('is found by its state and in pages', async () => {
    const programId = await someProgram(plane);
    const list = await admin.until('/programs?state=toolCall&pageSize=200', ({ items }) => items.length > 0);
    expect(list.items.map((program: { programId: string }) => program.programId)).toContain(programId);
    expect((await admin.get('/programs?state=failed')).body.items).toEqual([]);
    const first = await admin.get('/programs?pageSize=1');
    const second = await admin.get(`/programs?pageSize=1&pageToken=${first.body.nextPageToken}`);
    expect(second.body.items[0].programId).not.toBe(first.body.items[0].programId);
  });

  it('ends, and a second end is a conflict', async () => {
    const programId = await someProgram(plane);
    const ended = await admin.call('POST', `/programs/${programId}/end`, {
      body: { outcome: 'failed', message: 'gone astray' },
    });
    expect([ended.status, ended.body.state, ended.body.endMessage]).toEqual([200, 'failed', 'gone astray']);
    expect(await lastAudit(admin)).toMatchObject({
      action: 'endProgram',
      target: `program/${programId}`,
      ofTenant: 'default',
      role: 'admin',
    });
    const again = await admin.call('POST', `/programs/${programId}/end`, {
      body: { outcome: 'failed', message: '' },
    });
    expect([again.status, again.body.reason]).toEqual([409, 'PROGRAM_ENDED']);
    expect(again.headers.get('content-type')).toBe('application/problem+json');
  });

  it('changes its priority only from the version that was read', async () => {
    const programId = await someProgram(plane);
    const path = `/programs/${programId}/priority`;
    const read = await admin.get(path);
    const etag = read.headers.get('etag') ?? '';
    const missing = await admin.call('PUT', path, { body: { priority: 2 } });
    expect([missing.status, missing.body.reason]).toEqual([428, 'VERSION_MISSING']);
    const changed = await admin.call('PUT', path, { body: { priority: 2 }, headers: { 'if-match': etag } });
    expect([changed.status, changed.body]).toEqual([200, { priority: 2 }]);
    const stale = await admin.call('PUT', path, { body: { priority: 1 }, headers: { 'if-match': etag } });
    expect([stale.status, stale.body.reason]).toEqual([412, 'VERSION_CONFLICT']);
    expect((await admin.get(`/programs/${programId}`)).body.priority).toBe(2);
  });

  it('gives its pin up, and renews it for as long as the operator says', async () => {
    const programId = await someProgram(plane);
    const path = `/programs/${programId}/pin`;
    const renewed = await admin.call('PUT', path, { body: { ttlSeconds: 900 } });
    expect(renewed.status).toBe(200);
    expect(Date.parse(renewed.body.pin.expiresAt)).toBeGreaterThan(Date.now() + 800_000);
    expect((await admin.call('DELETE', path)).status).toBe(204);
    expect((await admin.get(`/programs/${programId}`)).body.pin).toBeNull();
    const gone = await admin.call('DELETE', path);
    expect([gone.status, gone.body.reason]).toEqual([404, 'PIN_NOT_FOUND']);
  });
});

describe('a change', () => {
  const newKey = { tenantId: null, role: 'viewer', name: 'repeated', expiresInSeconds: 3_600 };

  it('sent again under its idempotency key has one effect, and a secret is shown once', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const [first, second] = [
      await admin.call('POST', '/keys', { body: newKey, headers }),
      await admin.call('POST', '/keys', { body: newKey, headers }),
    ];
    expect(first.body.key).toMatch(/^hf_/);
    expect(second.body).toEqual({ ...first.body, key: null });
    const other = await admin.call('POST', '/keys', { body: { ...newKey, name: 'another' }, headers });
    expect([other.status, other.body.reason]).toEqual([422, 'REQUEST_ID_REUSED']);
  });

  it('sent twice at once has one effect', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const answers = await Promise.all([1, 2, 3].map(() => admin.call('POST', '/keys', { body: newKey, headers })));
    expect(new Set(answers.map(({ body }) => body.keyId)).size).toBe(1);
    expect(answers.filter(({ body }) => body.key !== null)).toHaveLength(1);
  });
});

describe('a restart', () => {
  it('keeps registered engines, priorities, and the answers to changes that are sent again', async () => {
    // On a database that has keys already, the first key is one of them.
    const first = await startGuardedPlane(postgres.url, { pool: `pool-${randomUUID()}`, adminKey: plane.adminKey });
    const before = adminOf(first);
    const programId = `prg-${randomUUID()}`;
    await runProgram(first, first.adminKey, programId);
    const engines = `/pools/${first.pool}/engines`;
    await before.call('POST', engines, { body: { address: '127.0.0.1:7997', kvControlAddress: null } });
    await before.call('PUT', `/programs/${programId}/priority`, {
      body: { priority: -1 },
      headers: { 'if-match': '*' },
    });
    const end = { body: { outcome: 'completed', message: 'enough' }, headers: { 'idempotency-key': randomUUID() } };
    const other = `prg-${randomUUID()}`;
    await runProgram(first, first.adminKey, other);
    const ended = await before.call('POST', `/programs/${other}/end`, end);
    await first.stop();

    const second = await startGuardedPlane(postgres.url, first);
    const after = adminOf(second);
    const { items } = (await after.get(engines)).body;
    expect(items.map(({ engineId }: { engineId: string }) => engineId)).toContain('127.0.0.1:7997');
    expect((await after.get(`/programs/${programId}`)).body).toMatchObject({ state: 'toolCall', priority: -1 });
    const again = await after.call('POST', `/programs/${other}/end`, end);
    expect([again.status, again.body]).toEqual([200, ended.body]);
    await second.stop();
  });
});

describe('a request that is wrong', () => {
  it('is told every field, its value and what is allowed', async () => {
    const { status, body } = await admin.get('/programs?pageSize=0&state=asleep&color=red');
    expect([status, body.reason]).toEqual([400, 'FIELD_INVALID']);
    const fields = body.violations.map(({ field }: { field: string }) => field);
    expect(fields).toEqual(expect.arrayContaining(['pageSize', 'state.0', 'color']));
    expect(body.detail).toContain('pageSize: is 0; allowed: 1 to 200');
  });

  it.each([
    ['no JSON', '{"outcome":'],
    ['no object', '[]'],
    ['a field too many', '{"outcome":"failed","message":"","because":1}'],
  ])('is refused with %s', async (_what, body) => {
    const answer = await admin.call('POST', '/programs/prg-1/end', { body });
    expect([answer.status, answer.body.reason]).toEqual([400, 'FIELD_INVALID']);
  });

  it('names a page that is not there', async () => {
    const { status, body } = await admin.get('/programs?pageToken=abc');
    expect([status, body.reason]).toEqual([404, 'ROUTE_NOT_FOUND']);
  });

  it('is told which methods there are', async () => {
    const { status, headers } = await admin.call('PATCH', '/programs/prg-1/priority');
    expect([status, headers.get('allow')]).toEqual([405, 'GET, PUT']);
    expect((await admin.get('/nothing')).status).toBe(404);
  });
});

describe('text that PostgreSQL does not store', () => {
  it('is refused in names, and made storable in the audit log', async () => {
    const body = { source: 'guide', sourceVersion: '\u0087\u0000' };
    const refused = await admin.call('POST', '/tenants/default/chunks/prefetch', { body });
    expect(refused).toMatchObject({ status: 400, body: { violations: [{ field: 'sourceVersion' }] } });
    const tenant =
      '{"tenantId":"half","name":"\\ud800","maxLivePrograms":null,"turnsPerSecond":null,"maxPinnedTokens":null}';
    expect((await admin.call('POST', '/tenants', { body: tenant })).status).toBe(201);
  });
});

describe('a page of another origin', () => {
  it('changes nothing, on REST and on the OpenAI API', async () => {
    const headers = { origin: 'https://elsewhere.example', 'content-type': 'text/plain' };
    const rest = await admin.call('POST', '/tools/reset', { headers });
    expect(rest).toMatchObject({ status: 403, body: { reason: 'ORIGIN_REFUSED' } });
    const chat = await fetch(`http://${plane.running.httpAddress}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: '{}',
    });
    expect([chat.status, await chat.json()]).toMatchObject([403, { error: { code: 'origin_refused' } }]);
  });
});

describe('the rate of requests', () => {
  it('is told in the standard headers', async () => {
    const { headers } = await admin.get('/pools');
    expect(headers.get('ratelimit-policy')).toBe('"key";q=100000;w=1');
    expect(headers.get('ratelimit')).toMatch(/^"key";r=\d+;t=\d+$/);
  });
});

describe('the documents', () => {
  const open = (path: string): Promise<Response> => fetch(`http://${plane.running.httpAddress}/api${path}`);

  it('are public: OpenAPI 3.1, and a page that shows it with nothing from elsewhere', async () => {
    const document = (await (await open('/openapi.json')).json()) as { readonly openapi: string };
    expect(document.openapi).toBe('3.1.0');
    const page = await open('/docs');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const text = await page.text();
    expect(text).not.toMatch(/https?:/);
    for (const [, asset] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect((await open(`/${asset}`)).status).toBe(200);
    }
  });
});
