import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below what systems give to outgoing connections (from 32768 on Linux, from 49152 elsewhere): a program that takes its time
 * to start would find a port of that range in use by then.
 */
const PORTS = { from: 20_000, to: 32_000 };
const TRIES = 50;

const isFree = (port) =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)));
  });

/** A loopback port that nobody listens on: the one that is wanted, or any for 0. Rejects with why there is none. */
export const freePort = async (wanted) => {
  for (let tries = 1; ; tries += 1) {
    const port = wanted === 0 ? randomInt(PORTS.from, PORTS.to) : wanted;
    try {
      return await isFree(port);
    } catch (error) {
      if (wanted !== 0 || tries === TRIES) {
        throw new Error(`port ${port} cannot be used: ${error.message}`, { cause: error });
      }
    }
  }
};
