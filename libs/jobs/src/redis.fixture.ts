/** A real Redis for specs: the one of REDIS_URL, or a `redis-server` on the path; none otherwise. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

export interface TestRedis {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** True when {@link startRedis} has something to start or to reach. */
export const hasRedis = (): boolean =>
  process.env['REDIS_URL'] !== undefined || spawnSync('redis-server', ['--version']).error === undefined;

export const startRedis = async (): Promise<TestRedis> => {
  const given = process.env['REDIS_URL'];
  if (given !== undefined) return { url: given, stop: async () => undefined };
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-redis-'));
  const port = await freePort();
  const server = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'],
    { stdio: 'ignore' },
  );
  const url = `redis://127.0.0.1:${port}`;
  await untilAnswers(url);
  return {
    url,
    stop: async () => {
      const ended = once(server, 'exit');
      server.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
};

const untilAnswers = async (url: string): Promise<void> => {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      return;
    } catch {
      // Not up yet: the loop has an end.
      await sleep(50);
    } finally {
      redis.disconnect();
    }
  }
  throw new Error(`no Redis answered at ${url} within 5 s`);
};
