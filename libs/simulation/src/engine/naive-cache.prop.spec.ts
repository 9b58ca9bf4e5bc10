import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ModelEvent } from './model-event.js';
import { hardPin, Harness, smallEngine, softPin } from './spec-support/harness.js';

const BLOCK = smallEngine.blockTokens;

/** Prompts over two token ids, so that prefixes are shared all the time. */
const prompt = fc.array(fc.nat(1), { minLength: 1, maxLength: 20, size: 'max' });
const turn = fc.record({ prompt, outputTokens: fc.integer({ min: 1, max: 9 }) });

/** Full-block prefixes of some tokens, each as text. */
const prefixes = (tokens: readonly number[]): string[] =>
  Array.from({ length: Math.floor(tokens.length / BLOCK) }, (_unused, index) =>
    tokens.slice(0, (index + 1) * BLOCK).join(),
  );

/** A prefix cache of strings: no hashes, no counts, no lists, one request at a time. */
class NaiveCache {
  /** Oldest first; `null` holds nothing. */
  private free: (string | null)[];
  /** Host memory, oldest first. */
  private host: string[] = [];

  constructor(
    blocks: number,
    private readonly hostBlocks = 0,
  ) {
    this.free = Array<string | null>(blocks).fill(null);
  }

  /** Returns the tokens hit. */
  serve(promptTokens: readonly number[], outputTokens: readonly number[]): number {
    const all = [...promptTokens, ...outputTokens];
    const kept = prefixes(all.slice(0, -1));
    const limit = Math.floor((promptTokens.length - 1) / BLOCK);
    const hits: string[] = [];
    for (const prefix of kept.slice(0, limit)) {
      if (!this.free.includes(prefix)) break;
      hits.push(prefix);
    }
    const resident = hits.length;
    for (const prefix of kept.slice(resident, limit)) {
      if (!this.host.includes(prefix)) break;
      hits.push(prefix);
    }
    this.free = this.free.filter((content) => content === null || !hits.includes(content));
    this.host = this.host.filter((content) => !hits.includes(content));
    this.take(Math.ceil(promptTokens.length / BLOCK) - resident);
    for (const prefix of kept.slice(hits.length, Math.floor(promptTokens.length / BLOCK))) this.publish(prefix);
    for (let known = promptTokens.length; known < all.length - 1; known += 1) {
      if (known % BLOCK === 0) this.take(1);
      if ((known + 1) % BLOCK === 0) this.publish(kept[(known + 1) / BLOCK - 1]!);
    }
    const used = Math.ceil((all.length - 1) / BLOCK);
    const table = [...kept, ...Array<null>(used - kept.length).fill(null)];
    this.free.push(...table.reverse());
    return hits.length * BLOCK;
  }

  private take(blocks: number): void {
    for (const content of this.free.splice(0, blocks)) if (content !== null) this.host.push(content);
    this.host.splice(0, Math.max(0, this.host.length - this.hostBlocks));
  }

  /** A block that was computed although an older one holds the same: the older one is used, the new one goes back. */
  private publish(prefix: string): void {
    this.host = this.host.filter((content) => content !== prefix);
    const twin = this.free.indexOf(prefix);
    if (twin < 0) return;
    this.free.splice(twin, 1);
    this.free.push(null);
  }
}

describe('prefix cache', () => {
  it('hits what a naive cache of strings hits, through any sequence of requests, with host memory and without', () => {
    fc.assert(
      fc.property(
        fc.array(turn, { minLength: 1, maxLength: 40, size: 'max' }),
        fc.integer({ min: 7, max: 14 }),
        fc.oneof(fc.constant(0), fc.nat(20)),
        (turns, totalBlocks, hostBlocks) => {
          const harness = new Harness({ totalBlocks, host: { blocks: hostBlocks, reloadMicrosPerToken: 1 } });
          const naive = new NaiveCache(totalBlocks, hostBlocks);
          turns.forEach(({ prompt: tokens, outputTokens }, index) => {
            const output = Array.from({ length: outputTokens }, (_unused, position) => position % 2);
            const finished = harness.serve({
              family: index,
              promptTokens: tokens.length,
              promptIds: Uint32Array.from(tokens),
              outputTokens,
              outputIdAt: (position) => output[position]!,
            });
            expect(finished.cachedTokens).toBe(naive.serve(tokens, output));
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('hits exactly the longest prefix that its events say is resident, with pins too', () => {
    const step = fc.record({
      turn,
      program: fc.nat(3),
      pin: fc.constantFrom('none' as const, 'hard' as const, 'soft' as const),
      isLast: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }), (steps) => {
        const harness = new Harness({ totalBlocks: 9, maxPinnedFraction: 0.6 });
        const resident = new Map<number, string>();
        steps.forEach(({ turn: { prompt: tokens, outputTokens }, program, pin, isLast }, index) => {
          const expected = prefixes(tokens.slice(0, -1));
          const known = new Set(resident.values());
          const firstMissing = expected.findIndex((prefix) => !known.has(prefix));
          const finished = harness.serve({
            family: index,
            programId: `p${program}`,
            promptTokens: tokens.length,
            promptIds: Uint32Array.from(tokens),
            outputTokens,
            outputIdAt: (position) => position % 2,
            isLast,
            ...(pin === 'none' ? {} : { pin: pin === 'hard' ? hardPin(program) : softPin(program) }),
          });
          expect(finished.cachedTokens).toBe((firstMissing < 0 ? expected.length : firstMissing) * BLOCK);
          applyEvents(resident, harness.events.splice(0));
          const stats = harness.stats();
          expect(resident.size).toBe(stats.evictableBlocks + stats.pinnedBlocks);
        });
      }),
      { numRuns: 100 },
    );
  });
});

/** Keeps, for each resident hash, the prefix it stands for; fails on a hash that is stored twice or removed unknown. */
const applyEvents = (resident: Map<number, string>, events: readonly ModelEvent[]): void => {
  for (const event of events) {
    if (event.type === 'removed') {
      for (const hash of event.blockHashes) expect(resident.delete(hash)).toBe(true);
    } else if (event.type === 'stored') {
      let parent = event.parentHash === null ? '' : resident.get(event.parentHash);
      event.blockHashes.forEach((hash, index) => {
        expect(parent).toBeDefined();
        expect(resident.has(hash)).toBe(false);
        const tokens = event.tokenIds.slice(index * BLOCK, (index + 1) * BLOCK).join();
        parent = parent === '' ? tokens : `${parent},${tokens}`;
        resident.set(hash, parent);
      });
    }
  }
};
