import { ConfigError, envExample } from '@holdfast/platform';
import { describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { configSchema, describeConfig, readConfig } from './config.js';

const problemsOf = (env: Record<string, string>): string[] => {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ field }) => field);
    throw error;
  }
  return [];
};

describe('readConfig', () => {
  it('has a default for everything', () => {
    const config = readConfig({});
    expect(config.HOLDFAST_GRPC_ADDRESS).toEqual({ host: '127.0.0.1', port: 7070 });
    expect(config.HOLDFAST_HTTP_ADDRESS).toEqual({ host: '127.0.0.1', port: 7071 });
    expect(config.HOLDFAST_POLICY.name).toBe('holdfast');
    expect(config.HOLDFAST_ENGINES).toEqual([]);
    expect(config.DATABASE_URL).toBeUndefined();
  });

  it('reports all problems at once', () => {
    expect(
      problemsOf({
        HOLDFAST_GRPC_ADDRESS: '0.0.0.0:7070',
        HOLDFAST_ENGINES: '127.0.0.1:9001,nonsense',
        HOLDFAST_POLICY: 'magic',
        HOLDFAST_DISPATCH_WINDOW: '0',
        HOLDFAST_PREFILL_COST: '1,2',
        HOLDFAST_PROGRAM_IDLE_LIMIT: '10',
        HOLDFAST_MAX_MESAGE: '1MiB',
      }),
    ).toEqual([
      'HOLDFAST_GRPC_ADDRESS',
      'HOLDFAST_ENGINES',
      'HOLDFAST_POLICY',
      'HOLDFAST_DISPATCH_WINDOW',
      'HOLDFAST_PREFILL_COST',
      'HOLDFAST_PROGRAM_IDLE_LIMIT',
      'HOLDFAST_MAX_MESAGE',
    ]);
  });

  it('refuses to bind beyond loopback without authentication', () => {
    for (const address of ['0.0.0.0:1', '10.0.0.1:1', '[::]:1', 'example.org:1']) {
      expect(problemsOf({ HOLDFAST_HTTP_ADDRESS: address })).toEqual(['HOLDFAST_HTTP_ADDRESS']);
    }
    for (const address of ['127.0.0.2:0', 'localhost:1', '[::1]:1']) {
      expect(problemsOf({ HOLDFAST_HTTP_ADDRESS: address })).toEqual([]);
    }
    expect(problemsOf({ HOLDFAST_HTTP_ADDRESS: '0.0.0.0:1', HOLDFAST_AUTH: 'keys' })).toEqual([]);
  });

  it('wants both halves of a certificate, and one of its own before it asks callers for theirs', () => {
    expect(problemsOf({ HOLDFAST_TLS_CERT: 'a' })).toEqual(['HOLDFAST_TLS_KEY']);
    expect(problemsOf({ HOLDFAST_TLS_KEY: 'a' })).toEqual(['HOLDFAST_TLS_CERT']);
    expect(problemsOf({ HOLDFAST_TLS_CLIENT_CA: 'a' })).toEqual(['HOLDFAST_TLS_CERT']);
  });

  it('reads engines with and without an address of their own for KvControl', () => {
    const { HOLDFAST_ENGINES } = readConfig({ HOLDFAST_ENGINES: '127.0.0.1:9001, 127.0.0.1:9002/127.0.0.1:50052' });
    expect(HOLDFAST_ENGINES).toEqual([
      { address: '127.0.0.1:9001' },
      { address: '127.0.0.1:9002', kvControlAddress: '127.0.0.1:50052' },
    ]);
  });

  it('knows which roles go together, and what jobs alone need', () => {
    for (const roles of [',', 'api', 'scheduler,jobs', 'admin']) {
      expect(problemsOf({ HOLDFAST_ROLES: roles })).toEqual(['HOLDFAST_ROLES']);
    }
    expect(problemsOf({ HOLDFAST_ROLES: 'scheduler,api' })).toEqual([]);
    expect(problemsOf({ HOLDFAST_ROLES: 'jobs' })).toEqual(['DATABASE_URL']);
    expect(problemsOf({ HOLDFAST_ROLES: 'jobs', DATABASE_URL: 'postgresql://u@h/d' })).toEqual([]);
    expect(problemsOf({ HOLDFAST_KEEP_EVENTS: '2h' })).toEqual(['HOLDFAST_KEEP_EVENTS']);
  });

  it('does not print the database address', () => {
    const config = readConfig({
      DATABASE_URL: 'postgresql://user:secret@host/db',
      REDIS_URL: 'redis://:secret@host:6379',
    });
    expect(JSON.stringify(describeConfig(config))).not.toContain('secret');
  });
});

describe('.env.example', () => {
  it('is what the schema says', async () => {
    const text = await readFile(new URL('../../.env.example', import.meta.url), 'utf8');
    expect(text).toBe(envExample(configSchema));
  });
});
