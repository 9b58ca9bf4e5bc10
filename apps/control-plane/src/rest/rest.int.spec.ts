import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { stopTestPlanes, TestClient, type TestPlane } from '../control-plane.fixture.js';
import { adminOf, keyOf, RestClient, runProgram, startGuardedPlane } from './rest.fixture.js';

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

const someProgram = async (): Promise<string> => {
  const programId = `prg-${randomUUID()}`;
  await runProgram(plane, plane.adminKey, programId);
  return programId;
};

const lastAudit = async (): Promise<unknown> => (await admin.get('/audit?pageSize=1')).body.items[0];

describe('a program over REST', () => {
  it('is shown as it is now, with the pin that is held', async () => {
    const programId = await someProgram();
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
    const programId = await someProgram();
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
    const programId = await someProgram();
    const body = await admin.until(
      `/programs/${programId}/explanation`,
      ({ turnsLookedAt, waits }) => turnsLookedAt === 2 && waits.length > 0 && waits[0].decision !== null,
    );
    expect(body.waits[0].decision).toMatchObject({ kind: 'dispatch', turnId: body.waits[0].turn.turnId });
    expect(body.waits[0].decision.reason).not.toBe('');
    expect(body.queueWaitSeconds).toBeGreaterThan(0);
  });

  it('lists what it did', async () => {
    const programId = await someProgram();
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
    const programId = await someProgram();
    const list = await admin.until('/programs?state=toolCall&pageSize=200', ({ items }) => items.length > 0);
    expect(list.items.map((program: { programId: string }) => program.programId)).toContain(programId);
    expect((await admin.get('/programs?state=failed')).body.items).toEqual([]);
    const first = await admin.get('/programs?pageSize=1');
    const second = await admin.get(`/programs?pageSize=1&pageToken=${first.body.nextPageToken}`);
    expect(second.body.items[0].programId).not.toBe(first.body.items[0].programId);
  });

  it('ends, and a second end is a conflict', async () => {
    const programId = await someProgram();
    const ended = await admin.call('POST', `/programs/${programId}/end`, {
      body: { outcome: 'failed', message: 'gone astray' },
    });
    expect([ended.status, ended.body.state, ended.body.endMessage]).toEqual([200, 'failed', 'gone astray']);
    expect(await lastAudit()).toMatchObject({
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
    const programId = await someProgram();
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
    const programId = await someProgram();
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

describe('a key', () => {
  it('works until it is revoked, in its own tenant and role', async () => {
    const viewer = await keyOf(plane, 'works', 'viewer');
    expect((await viewer.get('/programs')).status).toBe(200);
    const refused = await viewer.get('/keys');
    expect([refused.status, refused.body.reason]).toEqual([403, 'ROLE_INSUFFICIENT']);
    const { items } = (await admin.get('/keys?tenantId=works')).body;
    expect(JSON.stringify(items)).not.toContain(viewer.key.slice(-20));
    expect((await admin.call('DELETE', `/keys/${items[0].keyId}`)).status).toBe(204);
    expect((await viewer.get('/programs')).status).toBe(401);
  });

  it('is asked for', async () => {
    const nobody = new RestClient(`http://${plane.running.httpAddress}`, '');
    const { status, body, headers } = await nobody.get('/programs');
    expect([status, body.reason]).toEqual([401, 'CREDENTIALS_MISSING']);
    expect(headers.get('www-authenticate')).toContain('Bearer');
  });
});

describe('a tenant', () => {
  it('has limits that hold as soon as they are changed', async () => {
    const agent = await keyOf(plane, 'limited', 'agent');
    const { headers, body } = await admin.get('/tenants/limited');
    const limits = { name: body.name, maxLivePrograms: 1, turnsPerSecond: null, maxPinnedTokens: null };
    const changed = await admin.call('PUT', '/tenants/limited', {
      body: limits,
      headers: { 'if-match': headers.get('etag') ?? '' },
    });
    expect([changed.status, changed.body.maxLivePrograms]).toEqual([200, 1]);
    const client = new TestClient(plane.running.grpcAddress, agent.key);
    await client.start();
    const failure = await client.failure(client.start());
    client.close();
    expect(failure.details?.reason).toBe('QUOTA_EXCEEDED');
  });

  it('pins no more tokens than it may, and its turns run all the same', async () => {
    const operator = await keyOf(plane, 'pinner', 'operator');
    // One program of 96 tokens fits, a second one does not.
    await admin.call('PUT', '/tenants/pinner', {
      body: { name: 'pinner', maxLivePrograms: null, turnsPerSecond: null, maxPinnedTokens: 100 },
      headers: { 'if-match': '*' },
    });
    for (const programId of ['one', 'two']) await runProgram(plane, operator.key, programId);
    const states = await Promise.all(['one', 'two'].map((id) => operator.get(`/programs/${id}`)));
    expect(states.map(({ body }) => [body.turnsFinished, body.pin !== null])).toEqual([
      [2, true],
      [2, false],
    ]);
    const { items } = (await operator.get('/pins')).body;
    expect(items.map(({ programId }: { programId: string }) => programId)).toEqual(['one']);
    const kept = await operator.until('/programs/two/decisions?kind=retention', ({ items: found }) =>
      found.some(({ outcome }: { outcome: string | null }) => outcome === 'lost'),
    );
    expect(kept.items.length).toBeGreaterThan(0);
    await operator.call('DELETE', '/programs/one/pin');
    await runProgram(plane, operator.key, 'three');
    expect((await operator.get('/programs/three')).body.pin).not.toBeNull();
  });

  it('is made once', async () => {
    const tenant = { tenantId: 'once', name: 'once', maxLivePrograms: null, turnsPerSecond: null, maxPinnedTokens: 5 };
    expect((await admin.call('POST', '/tenants', { body: tenant })).status).toBe(201);
    const second = await admin.call('POST', '/tenants', { body: tenant });
    expect([second.status, second.body.reason]).toEqual([409, 'TENANT_EXISTS']);
  });
});

describe('an engine', () => {
  it('is registered, drained and removed while the service runs', async () => {
    const engines = `/pools/${plane.pool}/engines`;
    const added = await admin.call('POST', engines, { body: { address: '127.0.0.1:7999', kvControlAddress: null } });
    expect(added.status).toBe(201);
    expect(added.body).toMatchObject({ engineId: '127.0.0.1:7999', isAttached: true, isDraining: false });
    const path = `${engines}/127.0.0.1:7999`;
    const etag = (await admin.get(path)).headers.get('etag') ?? '';
    const drained = await admin.call('PUT', `${path}/drain`, {
      body: { isDraining: true },
      headers: { 'if-match': etag },
    });
    expect(drained.body.isDraining).toBe(true);
    const opened = await admin.call('PUT', `${path}/drain`, {
      body: { isDraining: false },
      headers: { 'if-match': '*' },
    });
    expect(opened.body.isDraining).toBe(false);
    const twice = await admin.call('POST', engines, { body: { address: '127.0.0.1:7999', kvControlAddress: null } });
    expect([twice.status, twice.body.reason]).toEqual([409, 'ENGINE_EXISTS']);
    expect((await admin.call('DELETE', path)).status).toBe(204);
    expect((await admin.get(path)).status).toBe(404);
    const { body } = await admin.get(`/pools/${plane.pool}`);
    expect(body).toMatchObject({ poolId: plane.pool, policy: 'holdfast', isAccepting: true, enginesAttached: 2 });
  });
});

describe('a policy', () => {
  const policy = (): string => `/pools/${plane.pool}/policy`;

  it('is a document first, then active, and can be undone', async () => {
    const before = await admin.get(policy());
    const made = await admin.call('POST', `/pools/${plane.pool}/policies`, {
      body: { policy: 'program-fcfs', note: 'for the night' },
    });
    expect([made.status, made.body.policy]).toEqual([201, 'program-fcfs']);
    const activate = (etag: string) =>
      admin.call('PUT', policy(), { body: { version: made.body.version }, headers: { 'if-match': etag } });
    const etag = before.headers.get('etag') ?? '';
    const active = await activate(etag);
    expect([active.status, active.body.document.policy]).toEqual([200, 'program-fcfs']);
    expect((await activate(etag)).status).toBe(412);
    expect((await admin.get(`/pools/${plane.pool}`)).body.policy).toBe('program-fcfs');
    const undone = await admin.call('POST', `${policy()}/undo`, {
      headers: { 'if-match': active.headers.get('etag') ?? '' },
    });
    expect(undone.body.document).toEqual(before.body.document);
    const { items } = (await admin.get(`${policy()}/history`)).body;
    expect(items[0]).toMatchObject({ undoes: active.body.activation.sequence });
  });

  it('that nobody knows is not taken', async () => {
    const { status, body } = await admin.call('POST', `/pools/${plane.pool}/policies`, {
      body: { policy: 'crystal-ball', note: 'x' },
    });
    expect([status, body.reason]).toEqual([422, 'POLICY_INVALID']);
  });

  it('is tried as a job', async () => {
    const asked = await admin.call('POST', `/pools/${plane.pool}/dry-runs`, {
      body: { candidate: 'vllm-fcfs', windowSeconds: 60 },
    });
    expect([asked.status, asked.body.finishedAt]).toEqual([202, null]);
    const { body } = await admin.get(`/jobs/${asked.body.jobId}`);
    expect(body).toMatchObject({ name: 'policy-dry-run', state: 'waiting' });
    expect((await admin.get(`/pools/${plane.pool}/dry-runs/${asked.body.jobId}`)).body.candidate).toBe('vllm-fcfs');
    const retried = await admin.call('POST', `/jobs/${asked.body.jobId}/retry`);
    expect([retried.status, retried.body.reason]).toEqual([409, 'JOB_NOT_FAILED']);
    expect((await admin.get('/jobs/counts')).body.waiting).toBeGreaterThan(0);
  });
});

describe('tools', () => {
  it('are shown with what was recorded and what is expected, and are forgotten on request', async () => {
    await someProgram();
    const { items } = await admin.until('/tools?tenantId=default', ({ items: tools }) => tools.length > 0);
    const bash = items.find(({ tool }: { tool: string }) => tool.startsWith('bash'));
    expect(bash.calls).toBeGreaterThan(0);
    expect(bash.forecastSeconds.p90).toBeGreaterThan(bash.forecastSeconds.p10);
    expect((await admin.call('POST', '/tools/reset')).status).toBe(204);
    expect(await lastAudit()).toMatchObject({ action: 'resetTools' });
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
