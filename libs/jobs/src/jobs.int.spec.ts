import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { startPostgres } from '@holdfast/platform';
import { hasRedis, startRedis } from '@holdfast/testing/processes';
import { onPool, openJobBackend } from './backend.js';
import { jobsConformance, quiet } from './jobs.conformance.fixture.js';

jobsConformance('PostgreSQL', async () => {
  const postgres = await startPostgres({ durable: false });
  return { store: { kind: 'postgres', url: postgres.url }, stop: () => postgres.stop() };
});

describe('queues and workers on a pool of PostgreSQL', () => {
  it('leave nothing at it when they close', async () => {
    const postgres = await startPostgres({ durable: false });
    const opened = await openJobBackend({ kind: 'postgres', url: postgres.url }, quiet);
    await opened.close();
    const pool = new pg.Pool({ connectionString: postgres.url, options: '-c search_path=bullmq' });
    // As whoever opens a pool does: a connection may still be closing when the server stops.
    const hear = (): void => undefined;
    pool.on('error', hear).on('connect', (client) => void client.on('error', hear));
    const backend = onPool(pool);
    try {
      const queue = backend.queue('one');
      const worker = backend.worker('one', () => Promise.resolve(null), {});
      worker.on('error', () => undefined);
      await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
      await worker.close();
      await queue.close();
      expect(pool.listeners('error')).toEqual([hear]);
    } finally {
      await backend.close();
      await postgres.stop();
    }
  });
});

if (hasRedis()) {
  jobsConformance('Redis', async () => {
    const { url, stop } = await startRedis();
    return { store: { kind: 'redis', url }, stop };
  });
} else {
  describe('a job queue on Redis', () => {
    it('was not tried: neither REDIS_URL nor redis-server (apt-get install redis-server) is there', () => {
      process.stdout.write('job queue on Redis: not tried, no redis-server found and REDIS_URL is not set\n');
    });
  });
}
