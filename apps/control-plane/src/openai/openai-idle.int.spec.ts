import { startPostgres } from '@holdfast/platform';
import { expect, it, jest } from '@jest/globals';
import { program as wire } from '@holdfast/contracts';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { startTestPlane, stopTestPlanes } from '../control-plane.fixture.js';
import { chat, say, textOf, untilProgram } from './openai.fixture.js';

jest.setTimeout(120_000);

/** A way to the database on which nothing moves while it is held. */
class HeldLink {
  readonly #sockets = new Set<Socket>();
  readonly #server;
  #isHeld = false;

  constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
        if (this.#isHeld) socket.pause();
      }
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  hold(): void {
    this.#isHeld = true;
    for (const socket of this.#sockets) socket.pause();
  }

  letGo(): void {
    this.#isHeld = false;
    for (const socket of this.#sockets) socket.resume();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

it('a conversation whose program ends by its idle limit while its next request is on its way goes on in another', async () => {
  const postgres = await startPostgres({ durable: false });
  const link = new HeldLink(postgres.port);
  const port = await link.listen();
  try {
    const plane = await startTestPlane({
      databaseUrl: postgres.url.replace(`:${postgres.port}`, `:${port}`),
      // So little that the context of a conversation is in the database only, once another one has been used.
      env: { HOLDFAST_OPENAI_IDLE_LIMIT: '3s', HOLDFAST_CONTEXT_MEMORY: '1KiB' },
    });
    const base = `http://${plane.running.httpAddress}/v1`;
    const messages = [say('user', 'a first question')];
    const first = await chat(base, { messages, max_tokens: 300 });
    await chat(base, { messages: [say('user', 'another conversation')], max_tokens: 300 });
    link.hold();
    const next = [...messages, say('assistant', textOf(first.body)), say('user', 'go on')];
    const second = chat(base, { messages: next, max_tokens: 8 });
    const programId = first.headers.get('x-holdfast-program') ?? '';
    const ended = await untilProgram(plane.client, programId, ({ state }) => state === wire.ProgramState.TIMED_OUT);
    link.letGo();
    const answer = await second;
    expect(answer.status).toBe(200);
    expect(ended.turnsFinished).toBe(1);
    expect(answer.headers.get('x-holdfast-program')).not.toBe(programId);
  } finally {
    link.letGo();
    await stopTestPlanes();
    link.close();
    await postgres.stop();
  }
});
