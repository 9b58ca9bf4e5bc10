import { millis, seconds } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { envExample } from './env-example.js';
import { ConfigError, type ConfigProblem, loadConfig } from './load-config.js';
import {
  choiceSetting,
  durationSetting,
  flagSetting,
  hostPortSetting,
  integerSetting,
  listSetting,
  numberSetting,
  sizeSetting,
  textValueSetting,
} from './settings.js';

const schema = z.object({
  HOLDFAST_GRPC_ADDRESS: hostPortSetting().prefault('127.0.0.1:7070').describe('Where agents connect.'),
  HOLDFAST_IDLE_LIMIT: durationSetting().prefault('10m').describe('Silence after which a program is ended.'),
  HOLDFAST_MAX_MESSAGE: sizeSetting().prefault('64MiB'),
  HOLDFAST_ENGINES: listSetting(hostPortSetting()).describe('Engines of the pool.'),
  DATABASE_URL: textValueSetting().optional().describe('PostgreSQL to use.').meta({ secret: true }),
});

function problemsOf(run: () => unknown): readonly ConfigProblem[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('parses values, takes defaults through the same parsers, and counts an empty variable as not set', () => {
    const config = loadConfig(schema, { HOLDFAST_ENGINES: 'a:1, [::1]:2,', HOLDFAST_IDLE_LIMIT: '', PATH: '/bin' });
    expect(config).toEqual({
      HOLDFAST_GRPC_ADDRESS: { host: '127.0.0.1', port: 7_070 },
      HOLDFAST_IDLE_LIMIT: seconds(600),
      HOLDFAST_MAX_MESSAGE: 64 * 2 ** 20,
      HOLDFAST_ENGINES: [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
      ],
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('reports all problems at once: field, value and what is allowed, and no secrets', () => {
    const env = {
      HOLDFAST_IDLE_LIMIT: 'soon',
      HOLDFAST_GRPC_ADDRESS: 'localhost',
      DATABASE_URL: ' ',
      HOLDFAST_IDLE_LIMITT: '5s',
    };
    const problems = problemsOf(() => loadConfig(schema, env, { ownPrefix: 'HOLDFAST_' }));
    const summary = problems.map(({ field, value }) => [field, value]);
    expect(summary).toEqual([
      ['HOLDFAST_GRPC_ADDRESS', '"localhost"'],
      ['HOLDFAST_IDLE_LIMIT', '"soon"'],
      ['HOLDFAST_ENGINES', '(not set)'],
      ['DATABASE_URL', '(hidden)'],
      ['HOLDFAST_IDLE_LIMITT', '(unknown)'],
    ]);
    expect(problems.map((problem) => problem.allowed)).toEqual([
      expect.stringContaining('host:port'),
      expect.stringContaining('a duration with its unit'),
      expect.stringContaining('a comma-separated list, each item host:port'),
      'text that is not empty',
      'no such variable; did you mean HOLDFAST_IDLE_LIMIT?',
    ]);
    expect(new ConfigError(problems).message).toContain(
      'the configuration has 5 problems:\n  HOLDFAST_GRPC_ADDRESS is',
    );
  });

  it('lists the known variables when an unknown one is like none of them', () => {
    const env = { HOLDFAST_ENGINES: 'a:1', HOLDFAST_SOMETHING_ELSE_ENTIRELY: 'x' };
    const [problem] = problemsOf(() => loadConfig(schema, env, { ownPrefix: 'HOLDFAST_' }));
    expect(problem?.allowed).toContain('only HOLDFAST_GRPC_ADDRESS, HOLDFAST_IDLE_LIMIT');
  });
});

describe('settings', () => {
  it.each([
    [durationSetting(), '250ms', millis(250)],
    [durationSetting(), '1.5h', seconds(5_400)],
    [sizeSetting(), '1.5GB', 1_500_000_000],
    [sizeSetting(), '512 KiB', 524_288],
    [hostPortSetting(), '[::1]:0', { host: '::1', port: 0 }],
    [integerSetting({ min: 1, max: 10 }), '10', 10],
    [numberSetting({ min: 0, max: 1 }), '0.95', 0.95],
    [flagSetting(), 'false', false],
    [choiceSetting(['a', 'b']), 'b', 'b'],
  ])('%#: one reads its text', (setting, text, value) => {
    expect(setting.parse(text)).toEqual(value);
  });

  it.each([
    [durationSetting(), '250'],
    [durationSetting(), '-1s'],
    [durationSetting(), '1 fortnight'],
    [sizeSetting(), '64'],
    [sizeSetting(), '64MB/s'],
    [hostPortSetting(), 'host:65536'],
    [hostPortSetting(), '::1:80'],
    [integerSetting({ min: 1, max: 10 }), '11'],
    [integerSetting({ min: 1, max: 10 }), '1.5'],
    [numberSetting({ min: 0, max: 1 }), '0x1'],
    [flagSetting(), 'yes'],
    [flagSetting(), 'constructor'],
    [choiceSetting(['a', 'b']), 'c'],
    [listSetting(flagSetting()), 'true,maybe'],
  ])('%#: one refuses its text', (setting, text) => {
    expect(setting.safeParse(text).success).toBe(false);
  });
});

describe('envExample', () => {
  it('describes each setting and gives its default, commented out unless it must be set', () => {
    expect(envExample(schema).split('\n\n')).toEqual([
      '# Where agents connect. Allowed: host:port, e.g. 127.0.0.1:7070 or [::1]:7070, with a port from 0 to 65535.\n#HOLDFAST_GRPC_ADDRESS=127.0.0.1:7070',
      '# Silence after which a program is ended. Allowed: a duration with its unit, e.g. 250ms, 2s, 5m, 1h.\n#HOLDFAST_IDLE_LIMIT=10m',
      '# Allowed: a size with its unit, e.g. 512KiB, 64MiB, 2GB.\n#HOLDFAST_MAX_MESSAGE=64MiB',
      '# Engines of the pool. Allowed: a comma-separated list, each item host:port, e.g. 127.0.0.1:7070 or [::1]:7070, with a\n# port from 0 to 65535. Must be set.\nHOLDFAST_ENGINES=',
      '# PostgreSQL to use. Allowed: text that is not empty.\n#DATABASE_URL=\n',
    ]);
  });

  it('writes text that loads back to the defaults', () => {
    const assignments = envExample(schema).matchAll(/^#?([A-Z_]+)=(.*)$/gm);
    const env = Object.fromEntries([...assignments].map(([, name, value]) => [name, value]));
    const config = loadConfig(schema, { ...env, HOLDFAST_ENGINES: 'a:1' });
    expect(config).toEqual(loadConfig(schema, { HOLDFAST_ENGINES: 'a:1' }));
  });
});
