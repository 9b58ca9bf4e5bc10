/** Stored chunks are where the engine reads them fast by the time that a turn needs them. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChunkWorld, passage, questionOf, until, type ChunkTenant } from './chunk-world.fixture.js';

jest.setTimeout(300_000);

// Two passages of about 820 tokens and 128 KiB of KV each token, and a few hundred tokens of system prompt.
const world = new ChunkWorld({ engineArgs: ['--chunk-memory', '256', '--chunk-disk', '8192'] });

beforeAll(() => world.start());
afterAll(() => world.stop());

const passages = (names: string): ReturnType<typeof passage>[] =>
  [...names].map((name) => passage(name, { words: 180 }));

interface Job {
  readonly name: string;
  readonly result: unknown;
}
const prefetches = async (): Promise<readonly Job[]> => {
  const { items } = await world.admin.call<{ items: Job[] }>('GET', '/jobs?queue=chunks&state=completed&pageSize=100');
  return items.filter(({ name }) => name === 'chunk-prefetch');
};

/** Fills the engine's memory with other chunks. */
const crowdOut = async (tenant: ChunkTenant): Promise<void> => {
  await tenant.ask(passages('wx'));
  await tenant.ask(passages('yz'));
};

describe('the chunks of a program', () => {
  it('come back to memory while its tool runs', async () => {
    const tenant = await world.tenant('agent');
    await tenant.askUntil(passages('a'), ({ chunks }) => chunks?.reusedChunks === 1);
    const program = await world.connect(tenant.key).start({ name: 'rag' });
    await program.turn(questionOf(passages('ab')));
    await program.turn(questionOf(passages('ab')));
    // The engine tells of what has left its memory beside the turns: it may be known a moment later.
    const fetched = await until(
      async () => {
        await crowdOut(tenant);
        await program.tool('search', { command: '' }, () => sleep(100));
        return prefetches();
      },
      (jobs) => jobs.length > 0,
    );
    expect((fetched[0]?.result as { copied: number }).copied).toBeGreaterThan(0);
    const { chunks } = await program.turn(questionOf(passages('ab')));
    expect(chunks).toMatchObject({ reusedChunks: 2, computedTokens: 0 });
    await program.end();
  });

  it('come back when their source is asked for', async () => {
    const tenant = await world.tenant('reader');
    const manual = [passage('m', { source: 'manual', words: 180 })];
    await tenant.askUntil(manual, ({ chunks }) => chunks?.reusedChunks === 1);
    const ask = (): Promise<{ readonly jobIds: readonly string[]; readonly count: number }> =>
      tenant.call('POST', '/tenants/reader/chunks/prefetch', { source: 'manual' });
    const asked = await until(
      async () => {
        await crowdOut(tenant);
        return ask();
      },
      ({ count }) => count > 0,
    );
    expect(asked).toMatchObject({ count: 1, jobIds: [expect.stringMatching(/^chunk-prefetch\./)] });
    const job = await until(
      () => world.admin.call<{ state: string }>('GET', `/jobs/${asked.jobIds[0]!}`),
      ({ state }) => state === 'completed',
    );
    expect(job).toMatchObject({ result: { copied: 1, asked: 1 } });
    // It is there: nothing is left to ask for.
    const again = await ask();
    expect(again).toEqual({ jobIds: [], count: 0 });
  });
});
