/** What people who operate the service change over REST. */
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stopTestPlanes, TestClient, type TestPlane } from '../control-plane.fixture.js';
import { adminOf, keyOf, RestClient, runProgram, startGuardedPlane, lastAudit, someProgram } from './rest.fixture.js';

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
    expect(added.body.samplingFeatures).toEqual(expect.arrayContaining(['logprobs', 'penalties']));
    expect(added.body.samplingFeatures).not.toContain('jsonSchema');
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
    await someProgram(plane);
    const { items } = await admin.until('/tools?tenantId=default', ({ items: tools }) => tools.length > 0);
    const bash = items.find(({ tool }: { tool: string }) => tool.startsWith('bash'));
    expect(bash.calls).toBeGreaterThan(0);
    expect(bash.forecastSeconds.p90).toBeGreaterThan(bash.forecastSeconds.p10);
    expect((await admin.call('POST', '/tools/reset?tool=bash')).status).toBe(204);
    expect(await lastAudit(admin)).toMatchObject({ action: 'resetTools', details: { tool: 'bash' } });
    const others = await admin.until('/tools?tenantId=default', () => true);
    expect(others.items.filter(({ tool }: { tool: string }) => tool.startsWith('bash'))).toEqual([]);
    expect((await admin.call('POST', '/tools/reset')).status).toBe(204);
    expect(await lastAudit(admin)).toMatchObject({ action: 'resetTools' });
    expect((await admin.get('/tools?tenantId=default')).body.items).toEqual([]);
  });
});
