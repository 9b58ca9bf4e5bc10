/** A real Redis for tests: the one of REDIS_URL, or a `redis-server` on the path; none otherwise. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A Redis that answers. */
export interface TestRedis {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

const ANSWERS_WITHIN_MS = 10_000;
const POLL_MS = 50;

/** True when {@link startRedis} has something to start or to reach. */
export const hasRedis = (): boolean =>
  process.env['REDIS_URL'] !== undefined || spawnSync('redis-server', ['--version']).error === undefined;

/** Starts a Redis that keeps nothing on disk. `stop` leaves the one of REDIS_URL alone. */
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
  const stop = async (): Promise<void> => {
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  const deadline = performance.now() + ANSWERS_WITHIN_MS;
  while (!(await answers(port))) {
    if (performance.now() > deadline) {
      await stop();
      throw new Error(`redis-server did not answer on port ${port} within ${ANSWERS_WITHIN_MS} ms`);
    }
    await sleep(POLL_MS);
  }
  return { url: `redis://127.0.0.1:${port}`, stop };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
};

/** Says PING, as Redis has it. False when nothing answers PONG. */
const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const end = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('data', (data) => end(data.toString().startsWith('+PONG')));
  });
