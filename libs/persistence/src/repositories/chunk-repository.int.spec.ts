import { instant } from '@holdfast/scheduling';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ChunkTextRow, ChunkVariantRow } from '../model/chunks.js';
import { type Storage, startStorage } from '../storage.fixture.js';
import { ChunkRepository } from './chunk-repository.js';

let storage: Storage;
let chunks: ChunkRepository;

beforeAll(async () => {
  storage = await startStorage();
  chunks = new ChunkRepository(storage.database);
});
afterAll(() => storage.close());
afterEach(() => storage.sql('TRUNCATE chunk_variant, chunk_tenant, chunk_text'));

const row = (variantId: string, overrides: Partial<ChunkVariantRow> = {}): ChunkVariantRow => ({
  engineId: 'e',
  variantId,
  generation: 3n,
  chunkId: 'c',
  name: 'page 1',
  tenantId: 'acme',
  salt: 's',
  source: 'handbook',
  sourceVersion: '7',
  fingerprint: 'f',
  tokenDigest: 'd',
  foundation: 'system',
  foundationDigest: 'p',
  preceding: [{ id: 'b', inter: 0.1 + 0.2 }],
  intra: 1 / 3,
  impact: 0.6,
  lengthTokens: 512,
  sizeBytes: 67_108_864,
  depth: 0,
  tokenRanks: Uint8Array.of(0, 255, 7),
  storedAt: instant(1_700_000_000_000_001),
  ...overrides,
});

describe('ChunkRepository', () => {
  it('returns exactly what was written, oldest first, engine by engine', async () => {
    const [old, young] = [row('b'), row('a', { storedAt: instant(1_800_000_000_000_000), tokenRanks: null })];
    await chunks.put([young, old, row('x', { engineId: 'other' })]);
    expect(await chunks.variants('e')).toEqual([old, young]);
  });

  it('writes in place of a row of the same name, and removes what is there', async () => {
    await chunks.put([row('a'), row('b')]);
    await chunks.put([row('a', { generation: 4n })]);
    await chunks.remove('e', ['b', 'never']);
    expect(await chunks.variants('e')).toEqual([row('a', { generation: 4n })]);
  });

  it('returns the tokens of chunks as they were first written, by id or by source, until the source is invalid', async () => {
    const text = (chunkId: string, overrides: Partial<ChunkTextRow> = {}): ChunkTextRow => ({
      ...{ chunkId, tenantId: 'acme', name: 'page 1', salt: 's', source: 'handbook', sourceVersion: '7' },
      ...{ fingerprint: 'f', tokenIds: Uint32Array.of(0, 255, 65_536, 4_294_967_295), seenAt: instant(5) },
      ...overrides,
    });
    await chunks.putTexts([text('a'), text('b', { sourceVersion: '8' }), text('c', { tenantId: 'other' })]);
    await chunks.putTexts([text('a', { name: 'again' })]);
    expect(await chunks.texts(['a', 'never'])).toEqual([text('a')]);
    const source = { tenantId: 'acme', salt: 's', source: 'handbook', fingerprint: 'f' };
    const ids = (of: Parameters<ChunkRepository['chunksOf']>[0], limit = 10): Promise<readonly string[]> =>
      chunks.chunksOf(of, limit);
    expect(await ids(source)).toEqual(['a', 'b']);
    expect(await ids(source, 1)).toEqual(['a']);
    expect(await ids({ ...source, sourceVersion: '8' })).toEqual(['b']);
    expect(await ids({ ...source, salt: 'another' })).toEqual([]);
    expect(await ids({ ...source, fingerprint: 'another' })).toEqual([]);
    await chunks.removeTexts('acme', 'handbook', '8');
    expect(await ids(source)).toEqual(['b']);
    await chunks.removeTexts('acme', 'handbook', null);
    expect((await chunks.texts(['a', 'b', 'c'])).map(({ chunkId }) => chunkId)).toEqual(['c']);
  });

  it('makes a tenant once and keeps its first salt', async () => {
    const first = await chunks.tenant('acme', 'salt-1');
    expect(first).toEqual({ tenantId: 'acme', salt: 'salt-1', quotaBytes: null, version: 1 });
    expect(await chunks.tenant('acme', 'salt-2')).toEqual(first);
  });

  it('changes a tenant of the version that was read, and no other', async () => {
    await chunks.tenant('acme', 'salt-1');
    expect(await chunks.changeTenant('acme', 1, { quotaBytes: 1e12 })).toMatchObject({ quotaBytes: 1e12, version: 2 });
    expect(await chunks.changeTenant('acme', 1, { salt: 'x' })).toBeUndefined();
    expect(await chunks.changeTenant('acme', 2, { quotaBytes: null, salt: 'x' })).toMatchObject({ quotaBytes: null });
    expect(await chunks.tenants()).toEqual([{ tenantId: 'acme', salt: 'x', quotaBytes: null, version: 3 }]);
  });
});
