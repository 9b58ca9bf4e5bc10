import { isDomainError } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request, type ClientRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { readJsonBody } from './read-body.js';

const MAX_BYTES = 64;

let server: Server;
/** What the last request that failed was refused with. */
let refused: Promise<string>;

beforeAll(async () => {
  server = createServer((incoming, response) => {
    const read = readJsonBody(incoming, MAX_BYTES);
    refused = read.then(
      () => '',
      (error: unknown) => (isDomainError(error) ? error.reason : String(error)),
    );
    read.then(
      (body) => response.end(JSON.stringify(body)),
      (error: Error) => {
        response.statusCode = 400;
        response.end(error.message);
      },
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(() => void server.close());

const open = (headers: Readonly<Record<string, string | number>> = {}): ClientRequest => {
  const { port } = server.address() as AddressInfo;
  return request({ host: '127.0.0.1', port, method: 'POST', headers });
};

/** Sends pieces without a length, each by itself, and reads the answer. */
const answerTo = async (...pieces: readonly (string | Buffer)[]): Promise<string> => {
  const call = open();
  const answered = once(call, 'response') as Promise<[IncomingMessage]>;
  for (const piece of pieces) call.write(piece);
  call.end();
  const [response] = await answered;
  return text(response);
};

describe('readJsonBody', () => {
  it('puts pieces together, characters that are cut included', async () => {
    const bytes = Buffer.from('{"a":"é"}');
    expect(await answerTo(bytes.subarray(0, 7), bytes.subarray(7))).toBe('{"a":"é"}');
  });

  it.each([
    ['what is no JSON', '{"a"', /is no JSON in UTF-8/],
    ['what is no UTF-8', Buffer.of(0x22, 0xff, 0x22), /is no JSON in UTF-8/],
    ['nothing', '', /is no JSON in UTF-8/],
  ])('refuses %s', async (_name, piece, message) => {
    expect(await answerTo(piece)).toMatch(message);
    expect(await refused).toBe('FIELD_INVALID');
  });

  it('refuses a body that grows beyond what is allowed, and its sender reads why', async () => {
    const pieces = Array.from({ length: 40 }, () => 'x'.repeat(10));
    expect(await answerTo(...pieces)).toMatch(/the body has \d+ bytes or more; allowed: 64/);
    expect(await refused).toBe('MESSAGE_TOO_LARGE');
  });

  it('refuses a body by the length that it says it has, without reading it', async () => {
    const call = open({ 'content-length': 1_000 });
    call.flushHeaders();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    expect(await text(response)).toBe('the body has 1000 bytes or more; allowed: 64');
    call.destroy();
  });

  it('gives up when the client leaves amid its body', async () => {
    const call = open({ 'content-length': 50 });
    call.on('error', () => undefined);
    const arrived = once(server, 'request');
    call.write('{"a":');
    await arrived;
    call.destroy();
    expect(await refused).toBe('CALLER_CANCELLED');
  });
});
