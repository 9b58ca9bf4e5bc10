import { describe, expect, it } from '@jest/globals';
import { CliOptionsError, readCliOptions, type RawOptions } from './cli-options.js';
import { commandLine } from './command-line.js';

const rawOf = (...args: string[]): RawOptions =>
  commandLine('0.0.0')
    .exitOverride()
    .parse(['node', 'sim-engine', ...args])
    .opts();

const problemsOf = (...args: string[]): readonly string[] => {
  try {
    readCliOptions(rawOf(...args));
  } catch (error) {
    if (error instanceof CliOptionsError) return error.problems;
    throw error;
  }
  return [];
};

describe('the command line', () => {
  it('without options is an H100 with Llama 3.1 8B on a free loopback port', () => {
    const { engine, ...rest } = readCliOptions(rawOf());
    expect(rest).toEqual({ host: '127.0.0.1', port: 0, timeScale: 1, logLevel: 'info' });
    expect(engine).toMatchObject({
      model: 'sim-llama-3.1-8b',
      profile: 'h100-llama-3.1-8b',
      totalBlocks: 29_205,
      blockTokens: 16,
      maxContextTokens: 131_072,
      vocabularySize: 128_256,
      maxPinnedFraction: 0.95,
      seed: 1,
      host: { blocks: 0 },
    });
  });

  it('sends spans where it is told to', () => {
    expect(readCliOptions(rawOf('--otlp-endpoint', 'http://127.0.0.1:4318')).otlpEndpoint).toBe(
      'http://127.0.0.1:4318',
    );
    expect(problemsOf('--otlp-endpoint', '127.0.0.1:4318')).toEqual([
      '--otlp-endpoint is "127.0.0.1:4318"; allowed: an http or https URL',
    ]);
  });

  it('draws another epoch for each start, unless it names one', () => {
    expect(readCliOptions(rawOf()).engine.epoch).not.toBe(readCliOptions(rawOf()).engine.epoch);
    expect(readCliOptions(rawOf('--epoch', 'e1')).engine.epoch).toBe('e1');
  });

  it('takes every option', () => {
    const { engine, ...rest } = readCliOptions(
      rawOf(
        ...['--port', '7100', '--host', '0.0.0.0', '--allow-remote', '--profile', 'a100-llama-3.1-8b'],
        ...['--time-scale', '0.5', '--seed', '9', '--model', 'm', '--blocks', '100', '--block-size', '32'],
        ...['--max-running', '4', '--token-budget', '64', '--max-context', '3200', '--vocab-size', '1000'],
        ...['--max-pinned-fraction', '0.5', '--epoch', 'e', '--stats-interval', '50', '--log-level', 'debug'],
        ...['--tool-calls', '3', '--host-kv-scale', '2.5'],
      ),
    );
    expect(rest).toEqual({ host: '0.0.0.0', port: 7_100, timeScale: 0.5, logLevel: 'debug' });
    expect(engine).toMatchObject({
      model: 'm',
      profile: 'a100-llama-3.1-8b',
      totalBlocks: 100,
      blockTokens: 32,
      maxRunningRequests: 4,
      tokenBudget: 64,
      maxContextTokens: 3_200,
      vocabularySize: 1_000,
      maxPinnedFraction: 0.5,
      epoch: 'e',
      seed: 9,
      statsIntervalMs: 50,
      toolCallsPerTask: 3,
      host: { blocks: 250 },
    });
  });

  it.each([
    [['--kv-scale', '0.5'], 14_602, 16],
    [['--block-size', '32'], 14_602, 32],
    [['--kv-scale', '0.01'], 292, 16],
  ])('scales the pool of the profile: %p', (args, totalBlocks, blockTokens) => {
    const { engine } = readCliOptions(rawOf(...args));
    expect(engine).toMatchObject({ totalBlocks, blockTokens });
    expect(engine.maxContextTokens).toBe(Math.min(131_072, totalBlocks * blockTokens));
  });

  it('reports every problem at once, with the option, its value and what is allowed', () => {
    expect(
      problemsOf(
        ...['--port', '70000', '--host', '0.0.0.0', '--profile', 'abacus', '--time-scale', '0', '--seed', '1.5'],
        ...['--max-pinned-fraction', '1.1', '--epoch', 'two words', '--log-level', 'loud'],
      ),
    ).toEqual([
      '--port is "70000"; allowed: a whole number from 0 to 65535',
      expect.stringMatching(/^--profile is "abacus"; allowed: .*h100-llama-3\.1-8b/),
      '--time-scale is "0"; allowed: a number from 0.001 to 10000',
      '--seed is "1.5"; allowed: a whole number from 0 to 4294967295',
      '--max-pinned-fraction is "1.1"; allowed: a number from 0 to 1',
      '--epoch is "two words"; allowed: 1 to 128 characters without spaces',
      '--log-level is "loud"; allowed: trace, debug, info, warn, error, fatal, silent',
      expect.stringMatching(/^--host is "0\.0\.0\.0".*--allow-remote$/),
    ]);
  });

  it('refuses a context that the pool cannot hold, also beside other problems', () => {
    expect(problemsOf('--max-context', '200000', '--blocks', '100', '--port', 'x')).toEqual([
      '--port is "x"; allowed: a whole number from 0 to 65535',
      '--max-context is 200000; allowed: 2 to 1600, what 100 blocks of 16 hold',
    ]);
  });

  it.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('takes %s as loopback', (host) => {
    expect(problemsOf('--host', host)).toEqual([]);
  });
});
