import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, describe, expect, it } from '@jest/globals';
import { evictionPolicies } from '@holdfast/chunk-cache';
import fc from 'fast-check';
import { silentProgress } from '../output/progress.js';
import { beladyHits } from './belady.js';
import { compareChunks } from './chunk-commands.js';
import type { ChunkRequest } from './chunk-trace.js';
import { readChunkTrace } from './read-chunk-trace.js';
import { replayHits } from './replay-hits.js';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-chunks-'));
const fileOf = (name: string, lines: readonly string[]): string => {
  const file = join(folder, name);
  writeFileSync(file, lines.join('\n'));
  return file;
};
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a trace of chunks', () => {
  it('of MTRAG has the turns of a conversation in order and lengths from ranges of characters', async () => {
    const file = fileOf('a.qrels.tsv', [
      'query-id\tcorpus-id\tscore',
      'c::1\td-0-400\t1',
      'c::1\td-400-500\t1',
      'c::2\td-0-400\t1',
    ]);
    const { requests, format } = await readChunkTrace(file);
    expect(format).toBe('mtrag');
    expect(requests.map(({ parts }) => parts.chunks.map(({ lengthTokens }) => lengthTokens))).toEqual([
      [100, 25],
      [100],
    ]);
  });

  it.each([
    ['holds a turn without a range', ['query-id\tcorpus-id\tscore', 'c::1\tdocument\t1'], 'line 2 is not a turn'],
    ['holds no passage', ['query-id\tcorpus-id\tscore'], 'holds no passage'],
    ['is of another format', ['id,time'], 'is of no known format'],
  ])('that %s is refused with the line and what is allowed', async (_, lines, message) => {
    await expect(readChunkTrace(fileOf('bad.tsv', lines))).rejects.toThrow(message);
  });

  it('is never served better than by knowing the future', () => {
    const references = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(references, fc.double({ min: 0.05, max: 1, noNaN: true }), (chunks, capacityShare) => {
        const requests = chunks.map((chunk, at): ChunkRequest => {
          const parts = {
            system: [],
            chunks: [{ id: `${chunk}`, lengthTokens: 1 + chunk }],
            history: [],
            web: [],
            question: [],
          };
          return { at, place: at, parts };
        });
        const { hitTokens } = beladyHits(requests, capacityShare);
        for (const { name: policy } of evictionPolicies()) {
          const [found] = replayHits(requests, { policy, capacityShare, windows: [0] });
          expect(found!.hitTokens).toBeLessThanOrEqual(hitTokens + 1e-9);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is compared in tables and in files, each policy at each capacity beside the bounds', async () => {
    const turns = Array.from({ length: 40 }, (_, turn) => `c::${turn}\td${turn % 7}-0-${400 + 40 * (turn % 7)}\t1`);
    const file = fileOf('b.qrels.tsv', ['query-id\tcorpus-id\tscore', ...turns]);
    const output = new PassThrough();
    const out = join(folder, 'out');
    const rows = await compareChunks(
      {
        files: [file],
        policies: ['lru', 'holdfast'],
        capacityShares: [0.2, 0.6],
        variants: [1],
        form: { kind: 'symmetric', alpha: 1 },
        admitAbove: 0.25,
        measures: ['hits', 'work'],
        out,
      },
      { output, progress: silentProgress(), signal: new AbortController().signal },
    );
    expect(rows.map(({ measure, policy, capacityShare }) => `${measure} ${policy} ${capacityShare}`)).toEqual([
      ...[
        'hits lru 0.2',
        'hits holdfast 0.2',
        'hits belady 0.2',
        'hits lru 0.6',
        'hits holdfast 0.6',
        'hits belady 0.6',
      ],
      ...['hits infinite null', 'work lru 0.2', 'work holdfast 0.2', 'work lru 0.6', 'work holdfast 0.6'],
      'work infinite null',
    ]);
    expect(String(output.read())).toContain(join(out, 'chunks.html'));
  });
});
