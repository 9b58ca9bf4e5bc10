/** Whose chunks are reused, what is built ahead and what is thrown away, with tenants, a real database and processes. */
import { ChunkRepository, Database } from '@holdfast/persistence';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ChunkWorld, passage, until, type ChunkTenant } from './chunk-world.fixture.js';

jest.setTimeout(300_000);

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const world = new ChunkWorld();
const passages = (names: string, of: Parameters<typeof passage>[1] = {}): ReturnType<typeof passage>[] =>
  [...names].map((name) => passage(name, of));

beforeAll(() => world.start());
afterAll(() => world.stop());

const reusedBy = async (tenant: ChunkTenant, names: string, of: Parameters<typeof passage>[1] = {}): Promise<number> =>
  (await tenant.ask(passages(names, of))).chunks?.reusedChunks ?? -1;

describe('the KV of chunks', () => {
  it('is of one tenant, source, source version and salt, whatever the text', async () => {
    const [one, two] = [await world.tenant('one'), await world.tenant('two')];
    await one.askUntil(passages('abc'), ({ chunks }) => chunks?.reusedChunks === 3);
    const ways: [ChunkTenant, Parameters<typeof passage>[1], number][] = [
      [one, {}, 3],
      [two, {}, 0],
      [one, { source: 'intranet' }, 0],
      [one, { sourceVersion: '2' }, 0],
      [two, { source: 'intranet' }, 0],
      [two, { sourceVersion: '2' }, 0],
    ];
    for (const [tenant, of, reused] of ways) expect(await reusedBy(tenant, 'abc', of)).toBe(reused);
    // Each of them is there now, each for itself.
    for (const [tenant, of] of ways) expect(await reusedBy(tenant, 'abc', of)).toBe(3);
    expect(new Set((await one.stored()).map(({ tenantId }) => tenantId))).toEqual(new Set(['one']));
    expect((await two.stored()).length).toBeGreaterThanOrEqual(9);
  });

  it('is not that of another model: an engine with other weights begins anew, and the registry with it', async () => {
    const tenant = await world.tenant('weights');
    await tenant.askUntil(passages('abc'), ({ chunks }) => chunks?.reusedChunks === 3);
    const before = (await tenant.stored()).map(({ variantId }) => variantId);
    await world.killEngine();
    await world.startEngine(['--seed', '2']);
    expect(await reusedBy(tenant, 'abc')).toBe(0);
    await tenant.askUntil(passages('abc'), ({ chunks }) => chunks?.reusedChunks === 3);
    const after = new Set((await tenant.stored()).map(({ variantId }) => variantId));
    expect(before.filter((id) => after.has(id))).toEqual([]);
    await world.killEngine();
    await world.startEngine();
  });

  it("is not that of another salt: who changes a tenant's salt makes all that it stored unknown", async () => {
    const tenant = await world.tenant('salted');
    await tenant.askUntil(passages('abc'), ({ chunks }) => chunks?.reusedChunks === 3);
    const database = new Database({ url: world.databaseUrl, logger: silent });
    const changed = await new ChunkRepository(database).changeTenant('salted', 1, { salt: 'another' });
    expect(changed).toMatchObject({ salt: 'another', version: 2 });
    await database.close();
    await world.restartControlPlane();
    // What the registry found again is of the old salt, and nobody can ask for that.
    await tenant.storedUntil((stored) => stored.length >= 4);
    expect(await reusedBy(tenant, 'abc')).toBe(0);
    await tenant.askUntil(passages('abc'), ({ chunks }) => chunks?.reusedChunks === 3);
  });

  it('is built ahead of any turn when a source is read in, and in jobs that can be looked at', async () => {
    const tenant = await world.tenant('reader');
    await tenant.askUntil(passages('x'), ({ chunks }) => chunks?.reusedChunks === 1);
    const { jobIds, count } = await tenant.call<{ jobIds: string[]; count: number }>(
      'POST',
      '/tenants/reader/chunks/build',
      { source: 'manual', sourceVersion: '7', texts: [...'mno'].map((id) => ({ id, text: passage(id).text })) },
    );
    expect([jobIds.length, count]).toEqual([1, 3]);
    const built = await tenant.storedUntil((stored) => stored.filter(({ source }) => source === 'manual').length === 3);
    const means = built.filter(({ source }) => source === 'manual');
    expect(means.map(({ name, foundation }) => `${name} ${foundation}`).sort()).toEqual([
      'm neutral',
      'n neutral',
      'o neutral',
    ]);
    const job = await until(
      () => world.admin.call<{ state: string }>('GET', `/jobs/${jobIds[0]!}`),
      ({ state }) => state === 'completed',
    );
    expect(job).toMatchObject({
      name: 'chunk-build',
      state: 'completed',
      attempts: 1,
      result: { built: 3, unknown: 0 },
    });
    // No turn has had them before, and none of them is computed.
    const turn = await tenant.ask(passages('xnmo', { source: 'manual', sourceVersion: '7' }).with(0, passage('x')));
    expect(turn.chunks).toMatchObject({ reusedChunks: 4, computedTokens: 0 });
    // Asked for again, there is nothing to do.
    const again = await tenant.call('POST', '/tenants/reader/chunks/build', { source: 'manual' });
    expect(again).toEqual({ jobIds: [], count: 0 });
  });

  it('is built as a mean when a chunk was reused behind foreign ones, without being asked for', async () => {
    const tenant = await world.tenant('wanderer');
    await tenant.askUntil(passages('abc'), ({ chunks }) => chunks?.reusedChunks === 3);
    expect((await tenant.stored()).filter(({ foundation }) => foundation === 'neutral')).toEqual([]);
    const moved = await tenant.ask(passages('cab'));
    expect(moved.chunks).toMatchObject({ reusedChunks: 3, computedTokens: 0 });
    const stored = await tenant.storedUntil(
      (all) => all.filter(({ foundation }) => foundation === 'neutral').length === 3,
    );
    expect(stored.filter(({ foundation }) => foundation === 'system').length).toBeGreaterThanOrEqual(3);
  });

  it('is reused for clients of the OpenAI API, who send chunks beside the messages', async () => {
    const tenant = await world.tenant('openai');
    const url = `http://${world.services.httpAddress}/v1`;
    const models = await fetch(`${url}/models`, { headers: { authorization: `Bearer ${tenant.key}` } });
    const model = ((await models.json()) as { data: { id: string }[] }).data[0]!.id;
    const ask = async (names: string): Promise<string | null> => {
      const response = await fetch(`${url}/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${tenant.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model,
          max_tokens: 2,
          messages: [{ role: 'user', content: 'What do they say?' }],
          holdfast: { chunks: passages(names).map(({ id, text, source }) => ({ id, text, source })) },
        }),
      });
      expect(response.status).toBe(200);
      return response.headers.get('x-holdfast-chunk-reused-tokens');
    };
    expect(await ask('abc')).toBe('0');
    const total = await until(
      () => ask('abc'),
      (tokens) => tokens !== '0',
    );
    expect(Number(total)).toBeGreaterThan(600);
    expect(Number(await ask('cab'))).toBeGreaterThan(Number(total) / 2);
  });

  it('goes with its source version, and so does what was computed in its sight', async () => {
    const tenant = await world.tenant('editor');
    const mixed = [...passages('a', { source: 'wiki' }), ...passages('bc')];
    await tenant.askUntil(mixed, ({ chunks }) => chunks?.reusedChunks === 3);
    await tenant.askUntil(passages('d'), ({ chunks }) => chunks?.reusedChunks === 1);
    const kept = await tenant.call('POST', '/tenants/editor/chunks/invalidate', {
      ...{ source: 'wiki', keepSourceVersion: '1' },
    });
    expect(kept).toEqual({ variants: 0 });
    const gone = await tenant.call('POST', '/tenants/editor/chunks/invalidate', { source: 'wiki' });
    expect(gone).toEqual({ variants: 3 });
    const left = (await tenant.stored()).filter(({ source }) => source !== 'system prompt').map(({ name }) => name);
    expect(left).toEqual(['d']);
    const { chunks } = await tenant.ask(mixed);
    expect(chunks).toMatchObject({ reusedTokens: 0, reason: expect.stringContaining('nothing is stored') });
  });

  it('of a tenant stays within its bytes, whatever it asks for, and takes nothing from others', async () => {
    const [small, other] = [await world.tenant('small'), await world.tenant('roomy')];
    await other.askUntil(passages('abc'), ({ chunks }) => chunks?.reusedChunks === 3);
    const others = (await other.stored()).map(({ variantId }) => variantId).sort();
    await small.askUntil(passages('a'), ({ chunks }) => chunks?.reusedChunks === 1);
    const sizeBytes = (await small.stored()).find(({ name }) => name === 'a')!.sizeBytes;
    const quotaBytes = Math.floor(2.5 * sizeBytes);
    const { etag } = await world.admin.send('GET', '/tenants/small/chunk-quota');
    await world.admin.call('PUT', '/tenants/small/chunk-quota', { quotaBytes }, { 'if-match': etag });
    for (const names of ['bc', 'de', 'fg', 'ba', 'gf', 'abc']) {
      await small.ask(passages(names));
      const { usedBytes } = await small.call<{ usedBytes: Record<string, number> }>(
        'GET',
        '/tenants/small/chunk-quota',
      );
      for (const used of Object.values(usedBytes)) expect(used).toBeLessThanOrEqual(quotaBytes);
    }
    const total = (await small.stored()).reduce((sum, variant) => sum + variant.sizeBytes, 0);
    expect(total).toBeGreaterThan(sizeBytes);
    expect(total).toBeLessThanOrEqual(quotaBytes);
    expect((await other.stored()).map(({ variantId }) => variantId).sort()).toEqual(others);
    expect(await reusedBy(other, 'abc')).toBe(3);
  });
});
