import { describe, it } from '@jest/globals';
import { startPostgres } from '@holdfast/platform';
import { hasRedis, startRedis } from '@holdfast/testing/processes';
import { jobsConformance } from './jobs.conformance.fixture.js';

jobsConformance('PostgreSQL', async () => {
  const postgres = await startPostgres({ durable: false });
  return { store: { kind: 'postgres', url: postgres.url }, stop: () => postgres.stop() };
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
