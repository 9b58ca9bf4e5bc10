import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { canonicalJson } from './canonical-json.js';
import { replayFile } from './replay-events.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-replay-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const header = { schema: 'holdfast.events/v1', kernel: { policy: 'static-ttl:ttl=5s', fencingToken: 3, dispatchWindow: 2, maxQueuedTurns: 10 } }; // prettier-ignore
const engine = {
  engineId: 'e', epoch: '1', capabilities: { pins: true, softPins: true, ordersByRank: true, reranks: true }, totalBlocks: 100,
  blockTokens: 16, maxRunningRequests: 8, prefillCost: { baseSeconds: 0, perTokenSeconds: 0.001, perTokenSquaredSeconds: 0 },
}; // prettier-ignore
const events = [
  { now: 1_000, event: { type: 'engineJoined', engine } },
  {
    now: 2_000,
    event: {
      type: 'programStarted', programId: 'p', tenantId: 't', programClass: 'c', arrivedAt: 2_000, idleLimit: 60_000_000,
      contextTokens: 0, turnsFinished: 0,
    },
  },
  {
    now: 3_000,
    event: {
      type: 'turnSubmitted', programId: 'p', turnId: 'u', promptTokens: 50, sharedTokens: 0, maxOutputTokens: 5, isLast: false,
    },
  },
  { now: 4_000, event: { type: 'turnStarted', turnId: 'u' } },
  {
    now: 5_000,
    event: {
      type: 'turnFinished', turnId: 'u', promptTokens: 50, cachedTokens: 0, outputTokens: 5,
      pin: { pinnedTokens: 48, expiresAt: 5_005_000 },
    },
  },
  { now: 9_000_000, event: { type: 'pinChanged', engineId: 'e', epoch: '1', programId: 'p', change: 'expired', pinnedTokens: 48, expiresAt: 5_005_000 } },
]; // prettier-ignore

const replayed = async (lines: readonly unknown[]): Promise<Record<string, unknown>[]> => {
  const file = join(folder, 'events.jsonl');
  await writeFile(file, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  const decisions: Record<string, unknown>[] = [];
  for await (const line of replayFile(file)) decisions.push(JSON.parse(line) as Record<string, unknown>);
  return decisions;
};

describe('a replay of recorded events', () => {
  it('gives the decisions in order, each with what became of it', async () => {
    expect(await replayed([header, ...events])).toMatchObject([
      { decisionId: 1, kind: 'dispatch', turnId: 'u', choice: 'dispatch', at: 3_000 },
      { decisionId: 2, kind: 'retention', choice: 'pin', outcome: 'expired', outcomeAt: 9_000_000 },
    ]);
  });

  it('refuses what is not a file of events, with its place', async () => {
    await expect(replayed([{ now: 1 }])).rejects.toThrow(
      'events.jsonl:1: schema is undefined; allowed: "holdfast.events/v1"',
    );
    await expect(replayed([header, 'half a li'])).rejects.toThrow('events.jsonl:2: is not JSON');
    await expect(replayed([])).rejects.toThrow('is empty');
  });
});

describe('canonical JSON', () => {
  it('orders keys at every depth, keeps the order of lists, and leaves nulls out', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }, 2], a: undefined, _: 'x' })).toBe('{"_":"x","b":[{"d":1},2]}');
  });
});
