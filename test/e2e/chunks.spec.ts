/** A retrieval-augmented agent through the SDK, a control plane and a simulated engine that reuses chunks, as processes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Holdfast, type Chunk, type TurnResult } from '@holdfast/sdk';
import { BuiltProcess, ServiceProcesses } from '@holdfast/testing';

const TIMEOUT_MS = 300_000;
const MOST_ATTEMPTS = 300;

let engine: BuiltProcess;
let engineAddress: string;
let services: ServiceProcesses;
let holdfast: Holdfast;

const startEngine = async (port = '0'): Promise<void> => {
  engine = new BuiltProcess({
    entry: 'apps/sim-engine/dist/main.js',
    args: ['--port', port, '--time-scale', '5', '--log-level', 'warn', '--chunk-memory', '4096'],
  });
  engineAddress = (await engine.ready())['address'] ?? '';
};

beforeAll(async () => {
  await startEngine();
  services = new ServiceProcesses({
    engines: 0,
    timeScale: 5,
    env: { HOLDFAST_CHUNK_ENGINES: engineAddress },
  });
  await services.start();
  holdfast = new Holdfast({ address: services.address });
}, TIMEOUT_MS);

afterAll(async () => {
  holdfast?.close();
  await services?.stop();
  await engine?.stop();
}, TIMEOUT_MS);

const passage = (name: string): Chunk => ({
  id: name,
  text: `Passage ${name}. ${`What ${name} says about it is this and that. `.repeat(30)}`,
  source: 'handbook',
  sourceVersion: '1',
});
const SYSTEM = 'You answer from the passages only, in one sentence.';
const ask = (names: string, question = 'What do they say?'): Promise<TurnResult> =>
  holdfast.run({ name: 'rag' }, (program) =>
    program.turn({
      messages: [
        { role: 'system', content: SYSTEM },
        { role: 'user', content: question },
      ],
      chunks: [...names].map(passage),
      maxTokens: 8,
      last: true,
    }),
  );
/** Asks until the answer is as wanted: what is attached anew is reconciled beside the turns. */
const askUntil = async (names: string, isGood: (turn: TurnResult) => boolean): Promise<TurnResult> => {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
    const turn = await ask(names);
    if (isGood(turn)) return turn;
    await sleep(100);
  }
  throw new Error('it did not happen');
};

describe('turns with chunks', () => {
  it(
    'are computed once, then reused as an exact prefix, then behind other chunks, and say so',
    async () => {
      const first = await ask('abc');
      expect(first.text).toHaveLength(8);
      expect(first.chunks).toMatchObject({ reusedTokens: 0, recomputedTokens: 0, reusedChunks: 0 });
      const total = first.chunks!.computedTokens;
      expect(total).toBeGreaterThan(3_000);

      const again = await askUntil('abc', ({ chunks }) => chunks?.computedTokens === 0);
      expect(again.chunks).toMatchObject({ reusedTokens: total, recomputedTokens: 0, reusedChunks: 3 });

      const moved = await ask('cab', 'And in this order?');
      expect(moved.chunks).toMatchObject({ computedTokens: 0, reusedChunks: 3, recomputeShare: 0.3 });
      expect(moved.chunks!.recomputedTokens).toBeGreaterThan(0);
      expect(moved.chunks!.reusedTokens + moved.chunks!.recomputedTokens).toBe(total);
      process.stdout.write(
        `time to the first token: computed ${first.timeToFirstTokenMs.toFixed(1)} ms, exact prefix ` +
          `${again.timeToFirstTokenMs.toFixed(1)} ms, other order ${moved.timeToFirstTokenMs.toFixed(1)} ms\n`,
      );
    },
    TIMEOUT_MS,
  );

  it(
    'are listed with their value, thrown away by source version and held to a quota, over REST',
    async () => {
      const api = `http://${services.httpAddress}/api/v1`;
      const send = async (method: string, path: string, body: object, headers: object = {}): Promise<Response> =>
        fetch(`${api}${path}`, {
          method,
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json', ...headers },
        });
      const sources = async (): Promise<readonly string[]> => {
        const { items } = (await (await fetch(`${api}/chunks?pageSize=200`)).json()) as {
          items: { source: string; value: number; sizeBytes: number }[];
        };
        for (const { value, sizeBytes } of items) expect([value >= 0, sizeBytes > 0]).toEqual([true, true]);
        return items.map(({ source }) => source);
      };
      await askUntil('abc', ({ chunks }) => chunks?.computedTokens === 0);
      expect(await sources()).toContain('handbook');
      const kept = await send('POST', '/tenants/default/chunks/invalidate', {
        source: 'handbook',
        keepSourceVersion: '1',
      });
      expect(await kept.json()).toEqual({ variants: 0 });
      const gone = await send('POST', '/tenants/default/chunks/invalidate', {
        source: 'handbook',
        keepSourceVersion: '2',
      });
      expect(gone.status).toBe(200);
      expect(((await gone.json()) as { variants: number }).variants).toBeGreaterThanOrEqual(3);
      expect(await sources()).not.toContain('handbook');
      expect((await ask('abc')).chunks).toMatchObject({ reusedTokens: 0 });

      const quota = await fetch(`${api}/tenants/default/chunk-quota`);
      const etag = quota.headers.get('etag') ?? '';
      const changed = await send('PUT', '/tenants/default/chunk-quota', { quotaBytes: 0 }, { 'if-match': etag });
      expect(changed.status).toBe(200);
      expect(await sources()).toEqual([]);
      const next = changed.headers.get('etag') ?? '';
      const back = await send('PUT', '/tenants/default/chunk-quota', { quotaBytes: null }, { 'if-match': next });
      expect(back.status).toBe(200);
    },
    TIMEOUT_MS,
  );

  it(
    'go on when the engine is killed: its chunks are forgotten, computed again, and no row is left of what is gone',
    async () => {
      const before = await askUntil('abc', ({ chunks }) => chunks?.computedTokens === 0);
      const port = engineAddress.split(':')[1]!;
      engine.signal('SIGKILL');
      await engine.ended(20_000);
      const running = ask('abc');
      await startEngine(port);
      expect((await running).text).toBe(before.text);
      const after = await askUntil('abc', ({ chunks }) => chunks?.computedTokens === 0);
      expect(after.text).toBe(before.text);
    },
    TIMEOUT_MS,
  );

  it(
    'find their chunks again after the control plane was killed',
    async () => {
      await askUntil('abc', ({ chunks }) => chunks?.computedTokens === 0);
      services.controlPlane.signal('SIGKILL');
      await services.controlPlane.ended(20_000);
      await services.startControlPlane();
      const { chunks } = await askUntil('abc', ({ chunks: use }) => use !== undefined && use.reusedChunks > 0);
      expect(chunks).toMatchObject({ computedTokens: 0, reusedChunks: 3 });
    },
    TIMEOUT_MS,
  );
});
