import { describe, expect, it } from '@jest/globals';
import { OutputFeed } from './output-feed.js';
import type { TurnDelta } from './turn-result.js';

const token = (id: number): TurnDelta => ({ tokenIds: [id], text: String(id) });
const collect = async (feed: AsyncIterable<TurnDelta>): Promise<number[]> => {
  const ids: number[] = [];
  for await (const { tokenIds } of feed) ids.push(...tokenIds);
  return ids;
};
/** Whether a promise is settled once everything that could run has run. */
const settles = async (promise: Promise<unknown>): Promise<boolean> => {
  const pending = Symbol('pending');
  const later = new Promise((resolve) => setImmediate(resolve, pending));
  return (await Promise.race([promise, later])) !== pending;
};
const filled = (count: number): OutputFeed => {
  const feed = new OutputFeed();
  for (let id = 0; id < count; id += 1) feed.push(token(id));
  return feed;
};

describe('the output feed', () => {
  it('gives every reader every delta from the first, also after the end', async () => {
    const feed = filled(2);
    const early = collect(feed.read());
    feed.push(token(2));
    feed.close();
    expect(await early).toEqual([0, 1, 2]);
    expect(await collect(feed.read())).toEqual([0, 1, 2]);
    expect(feed.output()).toEqual({ tokenIds: [0, 1, 2], text: '012' });
  });

  it('gives what is there before it fails', async () => {
    const feed = filled(1);
    feed.close({ error: new Error('broke') });
    const reader = feed.read();
    expect(await reader.next()).toEqual({ done: false, value: token(0) });
    await expect(reader.next()).rejects.toThrow('broke');
    expect(await reader.next()).toMatchObject({ done: true });
  });

  it('makes the producer wait for a reader that lies behind, and go on as it catches up', async () => {
    const feed = filled(15);
    const reader = feed.read();
    expect(await settles(feed.room())).toBe(true);
    feed.push(token(15));
    const room = feed.room();
    expect(await settles(room)).toBe(false);
    await reader.next();
    expect(await settles(room)).toBe(true);
  });

  it('waits for the fastest reader only', async () => {
    const feed = filled(16);
    feed.read();
    const fast = feed.read();
    const room = feed.room();
    expect(await settles(room)).toBe(false);
    await fast.next();
    expect(await settles(room)).toBe(true);
  });

  it.each<[string, (feed: OutputFeed, reader: AsyncIterableIterator<TurnDelta>) => unknown]>([
    ['its last reader leaves', (_, reader) => reader.return?.()],
    ['somebody wants the whole result', (feed) => feed.wantWhole()],
    ['it is closed', (feed) => feed.close()],
  ])('stops waiting when %s', async (_, release) => {
    const feed = filled(16);
    const reader = feed.read();
    const room = feed.room();
    expect(await settles(room)).toBe(false);
    void release(feed, reader);
    expect(await settles(room)).toBe(true);
  });

  it('never waits without a reader', async () => {
    expect(await settles(filled(1_000).room())).toBe(true);
  });

  it('takes back only what nobody has taken', async () => {
    const feed = filled(3);
    const reader = feed.read();
    await reader.next();
    feed.dropUnread();
    expect(feed.output().tokenIds).toEqual([0]);
    feed.push(token(7));
    feed.close();
    expect(await collect(reader)).toEqual([7]);
  });

  it('answers reads that wait at once, in order', async () => {
    const feed = new OutputFeed();
    const reader = feed.read();
    const reads = [reader.next(), reader.next(), reader.next(), reader.next()];
    feed.push(token(0));
    feed.push(token(1));
    feed.close();
    const answers = await Promise.all(reads);
    expect(answers.map(({ value }) => value)).toEqual([token(0), token(1), undefined, undefined]);
  });

  it('gives nothing more to a reader that left', async () => {
    const feed = filled(2);
    const reader = feed.read();
    const waiting = feed.read();
    for (const _ of [0, 1]) await waiting.next();
    const next = waiting.next();
    await reader.return?.();
    await waiting.return?.();
    expect(await next).toEqual({ done: true, value: undefined });
    feed.push(token(2));
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });
});
