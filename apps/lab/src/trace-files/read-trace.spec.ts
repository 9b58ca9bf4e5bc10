import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from '@jest/globals';
import { seconds } from '@holdfast/scheduling';
import tar from 'tar-stream';
import { exitCodeOf } from '../cli/exit.js';
import { loadTrace, toTraceArgument } from './load-trace.js';
import { readTrace } from './read-trace.js';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-traces-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

interface Census {
  readonly format: string;
  readonly programs: number;
  readonly turns: number;
}

const census = async (path: string): Promise<Census> => {
  let programs = 0;
  let turns = 0;
  const { format } = await readTrace(path, (program) => {
    programs += 1;
    turns += program.turns.length;
  });
  return { format, programs, turns };
};

const line = (program: string): string => JSON.stringify({ program, turns: [{ prompt: 10, output: 1 }] });
const lines = Array.from({ length: 5_000 }, (_, index) => line(`program-${index}`)).join('\r\n');

describe('readTrace', () => {
  it('reads plain and gzip files alike', async () => {
    const expected = { format: 'holdfast', programs: 5_000, turns: 5_000 };
    expect(await census(file('plain.jsonl', lines))).toEqual(expected);
    expect(await census(file('packed.anything', gzipSync(lines)))).toEqual(expected);
  });

  it('reads every .jsonl file of an archive, and names the one that is wrong', async () => {
    const archive = async (second: string): Promise<Buffer> => {
      const pack = tar.pack();
      pack.entry({ name: 'one/a.jsonl' }, `${line('a')}\n`);
      pack.entry({ name: 'one/notes.txt' }, 'nothing to read');
      pack.entry({ name: 'one/b.jsonl' }, second);
      pack.finalize();
      return buffer(Readable.from(pack));
    };
    expect(await census(file('good.tar', await archive(line('b'))))).toMatchObject({ programs: 2 });
    const bad = file('bad.tar.gz', gzipSync(await archive(`\n${line('a')}`)));
    await expect(census(bad)).rejects.toThrow(`${bad}(one/b.jsonl): line 2: field "program" "a" names a program`);
  });

  const packed = gzipSync(lines);
  it.each([
    ['a cut gzip file', 'cut.gz', packed.subarray(0, packed.length - 40), 'is a gzip file that ends early'],
    [
      'a damaged gzip file',
      'bad.gz',
      Buffer.concat([packed.subarray(0, 60), Buffer.alloc(200, 1)]),
      'is a damaged gzip',
    ],
    ['binary data', 'image.png', Buffer.from([0x89, 0x50, 0, 1, 2]), 'is binary'],
    ['another encoding', 'latin1.jsonl', Buffer.from('{"program":"\xe9"}', 'latin1'), 'is not UTF-8'],
    ['an empty file', 'empty.jsonl', '', 'has no programs'],
    [
      'a wrong field',
      'wrong.jsonl',
      `${line('a')}\n{"program":"b","turns":[{"prompt":-1}]}`,
      'line 2: field "turns[0].prompt"',
    ],
  ])('refuses %s in one line that names the file, exit code 2', async (_, name, content, message) => {
    const path = file(name, content);
    const error: unknown = await census(path).then(
      () => new Error('it was read'),
      (reason: unknown) => reason,
    );
    expect((error as Error).message).toContain(`${path}: ${message}`);
    expect((error as Error).message).not.toContain('\n');
    expect(exitCodeOf(error)).toBe(2);
  });

  it('says that a file is not there, or is a folder', async () => {
    await expect(census(join(folder, 'none'))).rejects.toThrow('none: does not exist');
    await expect(census(folder)).rejects.toThrow('is a folder');
  });
});

describe('loadTrace', () => {
  const limits = { gapCap: seconds(120), maxContextTokens: 1_000, select: 'odd' } as const;

  it('takes programs of several files as one trace, every second one of each', async () => {
    const one = file('one.jsonl', ['a', 'b', 'c', 'd'].map(line).join('\n'));
    const two = file('two+more.jsonl', ['x', 'y'].map(line).join('\n'));
    const ids = async (path: string): Promise<string[]> =>
      (await loadTrace({ name: 'mixed', file: path }, limits)).programs.map(({ programId }) => programId);
    expect(await ids(`${one}+${file('three.jsonl', ['x', 'y'].map(line).join('\n'))}`)).toEqual(['b', 'd', 'y']);
    expect(await ids(two)).toEqual(['y']);
  });

  it('refuses a program that is in two of them', async () => {
    const [one, two] = ['one', 'two'].map((name) => file(`${name}.jsonl`, ['a', 'b'].map(line).join('\n')));
    await expect(loadTrace({ name: 'mixed', file: `${one}+${two}` }, limits)).rejects.toThrow(
      `${two}: program "b" is in a file before`,
    );
  });
});

describe('toTraceArgument', () => {
  it('names a trace by its file unless told otherwise', () => {
    expect(toTraceArgument('a/b/weka-a.packed.jsonl.gz').name).toBe('weka-a');
    expect(toTraceArgument('mine=a/b.csv')).toEqual({ name: 'mine', file: 'a/b.csv' });
  });
});

/** Public data sets, where they lie beside the repository. */
const DATA = fileURLToPath(new URL('../../../../../shared/data/', import.meta.url));

const KNOWN: readonly (readonly [file: string, expected: Census])[] = [
  ['agentcgroup/agentcgroup-198.jsonl.gz', { format: 'agentcgroup', programs: 198, turns: 8_363 }],
  ['weka-claude-code/weka-claude-code-a.packed.jsonl.gz', { format: 'weka', programs: 403, turns: 24_015 }],
  ['lmcache-agent-trace/lmcache-agent-69.numeric.jsonl.gz', { format: 'lmcache-numeric', programs: 69, turns: 1_619 }],
  ['lmcache-agent-trace/miniswe-raw.tar.gz', { format: 'lmcache-raw', programs: 20, turns: 402 }],
  ['lmcache-agent-trace/magagent-raw.tar.gz', { format: 'lmcache-raw', programs: 25, turns: 746 }],
  ['mooncake/synthetic_trace.jsonl.gz', { format: 'mooncake', programs: 2_645, turns: 3_993 }],
  ['azure-llm-2023/AzureLLMInferenceTrace_conv.csv.gz', { format: 'azure', programs: 19_366, turns: 19_366 }],
  ['ragpulse/0_trace.jsonl.gz', { format: 'ragpulse', programs: 3_990, turns: 7_106 }],
  ['tracelab-format/multi_session_large.csv', { format: 'tracelab', programs: 48, turns: 303 }],
];

// What is not there is not registered; the count of tests tells.
const present = KNOWN.filter(([name]) => existsSync(join(DATA, name)));
if (present.length > 0) {
  describe('readTrace on public data', () => {
    it.each(present)('reads all of %s', async (name, expected) => {
      expect(await census(join(DATA, name))).toEqual(expected);
    });
  });
} else {
  process.stderr.write(`public traces: not there (${DATA}), skipped by registration\n`);
}
