/** A retrieval-augmented conversation from the SDK through the control plane to a real transformer, and what a kill leaves. */
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChunkRepository, Database } from '@holdfast/persistence';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { Holdfast, type Chunk, type TurnResult } from '@holdfast/sdk';
import { ServiceProcesses } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ChunkEngineProcess, fileOf } from './chunk-engine.fixture.js';
import { readConversation, type Request } from './conversation.fixture.js';

const SYSTEM = 'Answer the last question from the passages, in a few words.';
const MAX_TOKENS = 12;
const WAIT_MS = 120_000;
const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

let conversation: (edition?: string) => readonly Request[];
let postgres: EmbeddedPostgres;
let database: Database;
let registry: ChunkRepository;
let engine: ChunkEngineProcess;
let services: ServiceProcesses;
let holdfast: Holdfast;

beforeAll(async () => {
  conversation = await readConversation();
  postgres = await startPostgres({ durable: false });
  database = new Database({ url: postgres.url, logger });
  registry = new ChunkRepository(database);
  engine = await ChunkEngineProcess.start();
  services = new ServiceProcesses({
    engines: 0,
    timeScale: 1,
    env: { DATABASE_URL: postgres.url, HOLDFAST_CHUNK_ENGINES: engine.address },
  });
  await services.start();
  holdfast = new Holdfast({ address: services.address });
});

afterAll(async () => {
  holdfast?.close();
  await services?.stop();
  await engine?.remove();
  await database?.close();
  await postgres?.stop();
});

const request = (ordinal: number, edition?: string): Request => conversation(edition)[ordinal]!;

/** Runs a turn, streamed. `onFirst` is called at its first token; with `fullLength` the answer has that many. */
const ask = async (
  { question, chunks }: Request,
  options: { readonly fullLength?: number; readonly onFirst?: () => Promise<void> } = {},
): Promise<TurnResult> =>
  holdfast.run({ name: 'rag' }, async (program) => {
    const running = program.turn({
      messages: [
        { role: 'system', content: SYSTEM },
        { role: 'user', content: question },
      ],
      chunks,
      maxTokens: options.fullLength ?? MAX_TOKENS,
      ignoreEos: options.fullLength !== undefined,
      last: true,
    });
    let streamed = 0;
    for await (const { tokenIds } of running) {
      if (streamed === 0 && tokenIds.length > 0) await options.onFirst?.();
      streamed += tokenIds.length;
    }
    const turn = await running;
    expect(turn.tokenIds.length).toBeGreaterThan(0);
    expect(streamed).toBe(turn.tokenIds.length);
    return turn;
  });

const askAll = async (arrange: (chunks: readonly Chunk[]) => readonly Chunk[]): Promise<readonly TurnResult[]> => {
  const turns: TurnResult[] = [];
  for (const { question, chunks } of conversation()) turns.push(await ask({ question, chunks: arrange(chunks) }));
  return turns;
};

const total = (turns: readonly TurnResult[], of: (turn: TurnResult) => number | undefined): number =>
  turns.reduce((sum, turn) => sum + (of(turn) ?? 0), 0);

/** Rows of the registry, by the name of the file that each one's variant has. */
const rows = async (): Promise<readonly string[]> => (await registry.variants(engine.address)).map(fileOf).sort();

/** Jobs on chunks that are not done: means are built beside the turns. */
const jobsLeft = async (): Promise<number> => {
  const response = await fetch(`http://${services.httpAddress}/api/v1/jobs/counts?queue=chunks`);
  const { waiting, active, delayed } = (await response.json()) as Record<'waiting' | 'active' | 'delayed', number>;
  return waiting + active + delayed;
};

/** Resolves with the names once rows and files are the same: what a turn stores is written beside it. */
const agreed = async (): Promise<readonly string[]> => {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const left = await jobsLeft();
    const [known, held] = [await rows(), await engine.files()];
    if (left === 0 && known.length > 0 && known.join() === held.join()) return known;
    if (Date.now() > deadline) expect(held).toEqual(known);
    await sleep(100);
  }
};

/** Resolves once stored chunks are reused again: rows and engine are brought together beside the turns. */
const reusing = async (): Promise<void> => {
  const deadline = Date.now() + WAIT_MS;
  while ((await ask(request(0))).chunks?.reusedChunks === 0) {
    if (Date.now() > deadline) throw new Error('nothing is reused');
    await sleep(100);
  }
};

/** A turn that was cut off, and the files that it left without a row. */
interface Cut {
  readonly asked: Promise<TurnResult>;
  readonly orphans: readonly string[];
}

/** Kills when the first of several new variants has its file: the engine has not said yet what it stored. */
const killedWhileStoring = async (fresh: Request, kill: () => Promise<void>): Promise<Cut> => {
  const before = new Set(await engine.files());
  const asked = ask(fresh);
  asked.catch(() => undefined); // Until it is awaited.
  const isNew = (name: string): boolean => name.endsWith('.safetensors') && !before.has(name);
  const deadline = Date.now() + WAIT_MS;
  while (!(await engine.files()).some(isNew)) {
    if (Date.now() > deadline) throw new Error('nothing is stored');
    await sleep(1);
  }
  await kill();
  const known = new Set(await rows());
  const orphans = (await engine.files()).filter((name) => !known.has(name));
  return { asked, orphans };
};

describe('a conversation over retrieved passages on a real transformer', () => {
  it('is computed once, reused by the next who asks the same, and by those who retrieve in another order', async () => {
    const first = await askAll((chunks) => chunks);
    const second = await askAll((chunks) => chunks);
    const other = await askAll((chunks) => chunks.toReversed());

    const passages = new Set(conversation().flatMap(({ chunks }) => chunks.map(({ id }) => id)));
    // One passage stands in two turns, first in both of them: there the second one finds it behind the same tokens.
    expect(total(first, ({ chunks }) => chunks?.reusedChunks)).toBe(1);
    expect(total(second, ({ chunks }) => chunks?.computedTokens)).toBe(0);
    expect(total(second, ({ chunks }) => chunks?.recomputedTokens)).toBe(0);
    expect(second.map(({ text }) => text)).toEqual(first.map(({ text }) => text));
    expect(total(other, ({ chunks }) => chunks?.computedTokens)).toBe(0);
    expect(total(other, ({ chunks }) => chunks?.recomputedTokens)).toBeGreaterThan(0);
    // Every passage was reused behind foreign ones, so the mean of each is built without being asked for.
    const isMean = ({ foundation }: { readonly foundation: string }): boolean => foundation === 'neutral';
    const stored = await agreed();
    const means = (await registry.variants(engine.address)).filter(isMean);
    expect(means.length).toBeGreaterThan(0);
    expect(stored).toHaveLength(passages.size + 1 + means.length);
    const fromMeans = await askAll((chunks) => chunks.toReversed());
    expect(total(fromMeans, ({ chunks }) => chunks?.computedTokens)).toBe(0);

    const [computed, exact, moved] = [first, second, other].map((turns) =>
      total(turns, ({ timeToFirstTokenMs }) => timeToFirstTokenMs),
    ) as [number, number, number];
    const sameIn = (turns: readonly TurnResult[]): number =>
      turns.filter(({ text }, at) => text === first[at]?.text).length;
    process.stdout.write(
      `time to the first token, ${first.length} turns: computed ${computed.toFixed(0)} ms; same passages again ` +
        `${(exact / computed).toFixed(3)}x; in reverse order ${(moved / computed).toFixed(3)}x, ` +
        `${sameIn(other)} of ${other.length} answers as in retrieval order, ${sameIn(fromMeans)} once ${means.length} ` +
        `means were built\n`,
    );
  });

  it('goes on with the same tokens when the engine is killed in mid-answer', async () => {
    const expected = await ask(request(1), { fullLength: 40 });
    const before = await agreed();
    const onFirst = async (): Promise<void> => {
      await engine.kill();
      await engine.start();
    };
    expect((await ask(request(1), { fullLength: 40, onFirst })).tokenIds).toEqual(expected.tokenIds);
    await reusing();
    expect(await agreed()).toEqual(before);
  });

  it('computes what was stored in a file that is damaged or cut off, and strikes its row', async () => {
    const expected = await ask(request(1));
    await agreed();
    const stored = await registry.variants(engine.address);
    const [flipped, cut] = request(1).chunks.map(({ id }) => fileOf(stored.find(({ name }) => name === id)!)) as [
      string,
      string,
    ];
    await engine.kill();
    const bytes = await readFile(join(engine.folder, flipped));
    bytes[bytes.length - 9]! ^= 1;
    await writeFile(join(engine.folder, flipped), bytes);
    await truncate(join(engine.folder, cut), bytes.length / 2);
    await engine.start();
    await reusing();
    const turn = await ask(request(1));
    expect(turn.tokenIds).toEqual(expected.tokenIds);
    expect(turn.chunks?.computedTokens).toBeGreaterThan(0);
    // Its plan did not foresee that a file is damaged, so what it computed in its place is stored by the next turn.
    await ask(request(1));
    expect((await ask(request(1))).chunks).toMatchObject({ reusedChunks: request(1).chunks.length });
    const after = await agreed();
    expect(after).not.toContain(flipped);
    expect(after).not.toContain(cut);
  });

  it('loses no row when the engine is killed while it stores, and keeps no file without a row', async () => {
    const before = await agreed();
    const fresh = request(3, 'Second edition. ');
    const { asked, orphans } = await killedWhileStoring(fresh, () => engine.kill());
    await writeFile(join(engine.folder, 'half.safetensors.new'), 'half a file');
    await engine.start();
    await asked;
    await reusing();
    await expectRecovery({ before, orphans, fresh });
  });

  it('loses no row when the control plane is killed while it is answered, and keeps no file without a row', async () => {
    const before = await agreed();
    const fresh = request(3, 'Third edition. ');
    const { asked, orphans } = await killedWhileStoring(fresh, async () => {
      services.controlPlane.signal('SIGKILL');
      await services.controlPlane.ended(20_000);
    });
    await services.startControlPlane();
    await asked;
    await reusing();
    await expectRecovery({ before, orphans, fresh });
  });
});

/** What was known is there, what was stored without a row is not, and who asks again stores each chunk once. */
const expectRecovery = async (run: {
  readonly before: readonly string[];
  readonly orphans: readonly string[];
  readonly fresh: Request;
}): Promise<void> => {
  await ask(run.fresh);
  const after = await agreed();
  expect(run.orphans.length).toBeGreaterThan(0);
  expect(after).toEqual(expect.arrayContaining([...run.before]));
  expect(after.filter((name) => run.orphans.includes(name))).toEqual([]);
  expect(after).toHaveLength(run.before.length + run.fresh.chunks.length);
};
