import { credentials, status } from '@grpc/grpc-js';
import { program as wire } from '@holdfast/contracts';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { fileURLToPath } from 'node:url';
import { startTestPlane, stopTestPlanes, type TestPlane } from '../control-plane.fixture.js';
import { readTls } from './tls.js';

const fileOf = (name: string): string => fileURLToPath(new URL(`certificates.fixture/${name}`, import.meta.url));
const pem = (name: string): Buffer => readFileSync(fileOf(name));

let postgres: EmbeddedPostgres;
let plane: TestPlane;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  plane = await startTestPlane({
    databaseUrl: postgres.url,
    env: {
      HOLDFAST_TLS_CERT: fileOf('server.crt'),
      HOLDFAST_TLS_KEY: fileOf('server.key'),
      HOLDFAST_TLS_CLIENT_CA: fileOf('authority.crt'),
    },
  });
});

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
});

/** The status of a call over this channel. */
const statusWith = async (channel: ReturnType<typeof credentials.createSsl>): Promise<number> => {
  const client = new wire.ProgramServiceClient(plane.running.grpcAddress, channel);
  try {
    return await new Promise((resolve) => {
      client.listPrograms({ pageSize: 1, pageToken: '', states: [], startedAfter: undefined }, (error) =>
        resolve(error?.code ?? status.OK),
      );
    });
  } finally {
    client.close();
  }
};

describe('mutual TLS on gRPC', () => {
  it('takes callers whose certificate the authority has signed', async () => {
    expect(await statusWith(credentials.createSsl(pem('authority.crt'), pem('agent.key'), pem('agent.crt')))).toBe(
      status.OK,
    );
  });

  it('refuses those without a certificate, and those with one that a stranger has signed', async () => {
    expect(await statusWith(credentials.createSsl(pem('authority.crt')))).toBe(status.UNAVAILABLE);
    const stranger = credentials.createSsl(pem('authority.crt'), pem('stranger.key'), pem('stranger.crt'));
    expect(await statusWith(stranger)).toBe(status.UNAVAILABLE);
  });

  it('refuses plain text', async () => {
    expect(await statusWith(credentials.createInsecure())).toBe(status.UNAVAILABLE);
  });
});

describe('TLS on HTTP', () => {
  const statusOver = (ca: Buffer): Promise<number | string> =>
    new Promise((resolve) => {
      get(`https://${plane.running.httpAddress}/health/live`, { ca, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });

  it('shows the certificate of the service', async () => {
    expect(await statusOver(pem('authority.crt'))).toBe(200);
    expect(await statusOver(pem('stranger.crt'))).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  it('has no plain text beside it', async () => {
    await expect(fetch(`http://${plane.running.httpAddress}/health/live`)).rejects.toThrow('fetch failed');
  });
});

describe('a file that cannot be read', () => {
  it('is named with its setting', () => {
    expect(() => readTls({ HOLDFAST_TLS_CERT: '/no/such.crt', HOLDFAST_TLS_KEY: fileOf('server.key') })).toThrow(
      'HOLDFAST_TLS_CERT is /no/such.crt, which cannot be read',
    );
  });
});
