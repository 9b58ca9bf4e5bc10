import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import ts from 'typescript';
import { type EmbeddedPostgres, startPostgres } from './start-postgres.js';

const running: EmbeddedPostgres[] = [];
const folders: string[] = [];

async function start(options: Partial<Parameters<typeof startPostgres>[0]> = {}): Promise<EmbeddedPostgres> {
  const postgres = await startPostgres({ durable: false, ...options });
  running.push(postgres);
  return postgres;
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-launcher-spec-'));
  await chmod(path, 0o755);
  folders.push(path);
  return path;
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // The server may be killed under it.
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

const postmasterPid = (dataDir: string): number =>
  Number.parseInt(readFileSync(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10);

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

afterEach(async () => {
  await Promise.all(running.splice(0).map((postgres) => postgres.stop()));
  await Promise.all(folders.splice(0).map((path) => rm(path, { recursive: true, force: true })));
});

describe('startPostgres', () => {
  it('serves clients on loopback in UTC, as an account that is not root', async () => {
    const postgres = await start();
    const [row] = await query<{ zone: string; addresses: string }>(
      postgres.url,
      `SELECT current_setting('timezone') AS zone, current_setting('listen_addresses') AS addresses`,
    );
    expect(row).toEqual({ zone: 'UTC', addresses: '127.0.0.1' });
    const { uid } = statSync(join(postgres.dataDir, 'cluster', 'postmaster.pid'));
    expect(uid).not.toBe(0);
  });

  it('removes a temporary directory at stop, and refuses connections from then on', async () => {
    const postgres = await start();
    await postgres.stop();
    expect(existsSync(postgres.dataDir)).toBe(false);
    const refused = await new Promise<string>((resolve) => {
      createConnection({ host: '127.0.0.1', port: postgres.port }).once('error', (error: NodeJS.ErrnoException) =>
        resolve(error.code ?? ''),
      );
    });
    expect(refused).toBe('ECONNREFUSED');
  });

  it('keeps data over a stop and a start', async () => {
    const dataDir = join(await folder(), 'nested', 'data');
    const first = await start({ dataDir });
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.stop();
    const second = await start({ dataDir });
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  });

  it('refuses a second launcher on the same directory and names the process that holds it', async () => {
    const dataDir = join(await folder(), 'data');
    const first = await start({ dataDir });
    await expect(start({ dataDir })).rejects.toThrow(`in use by process ${process.pid}`);
    expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('starts over the postmaster.pid and the lock of a crash, even when their process numbers live again', async () => {
    const dataDir = join(await folder(), 'data');
    await (await start({ dataDir })).stop();
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      await writeFile(join(dataDir, 'cluster', 'postmaster.pid'), `${other.pid}\n${dataDir}\n1\n5432\n\n127.0.0.1\n`);
      await writeFile(join(dataDir, 'launcher.lock'), JSON.stringify({ pid: other.pid, startedTicks: '1' }));
      const postgres = await start({ dataDir });
      expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      other.kill();
    }
  });

  it('starts over a cluster that was left half created', async () => {
    const dataDir = join(await folder(), 'data');
    const first = await start({ dataDir });
    await first.stop();
    execFileSync('mv', [join(dataDir, 'cluster'), join(dataDir, 'cluster.unfinished')]);
    await rm(join(dataDir, 'cluster.unfinished', 'global'), { recursive: true });
    const second = await start({ dataDir });
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('keeps what was committed when the server is killed, and says that it ended', async () => {
    const dataDir = join(await folder(), 'data');
    const first = await start({ dataDir, durable: true });
    await query(first.url, 'CREATE TABLE kept AS SELECT generate_series(1, 1000) AS value');
    process.kill(postmasterPid(first.dataDir), 'SIGKILL');
    expect(await first.exited).toMatch(/137|SIGKILL/);
    await first.stop();
    const second = await start({ dataDir, durable: true });
    expect(await query(second.url, 'SELECT count(*)::int AS rows FROM kept')).toEqual([{ rows: 1_000 }]);
  });

  it('leaves no server behind when its process is killed, and the next start finds the data', async () => {
    const dataDir = join(await folder(), 'data');
    const { child, url, pid } = await startInOtherProcess(dataDir);
    await query(url, 'CREATE TABLE kept AS SELECT 1 AS value');
    child.kill('SIGKILL');
    const postgres = await start({ dataDir });
    expect(isAlive(pid)).toBe(false);
    expect(await query(postgres.url, 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
  });

  it('moves the data where the server can reach it when root starts it below a private directory', async () => {
    const secret = await folder();
    await chmod(secret, 0o700);
    const wanted = join(secret, 'data');
    const postgres = await start({ dataDir: wanted });
    folders.push(postgres.dataDir);
    const digest = createHash('sha256').update(wanted).digest('hex').slice(0, 12);
    expect(postgres.dataDir).toBe(process.getuid?.() === 0 ? `/var/tmp/holdfast-data-${digest}` : wanted);
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('rejects with the end of the log when the server cannot start', async () => {
    const dataDir = join(await folder(), 'data');
    await (await start({ dataDir })).stop();
    await writeFile(join(dataDir, 'cluster', 'postgresql.conf'), 'no_such_setting = 1\n');
    await expect(start({ dataDir })).rejects.toThrow('no_such_setting');
    await writeFile(join(dataDir, 'cluster', 'postgresql.conf'), '');
    await start({ dataDir });
  });
});

/** The launcher in a process of its own, that can be killed. Node 20 runs no TypeScript, so it is compiled first. */
async function startInOtherProcess(dataDir: string): Promise<{ child: ChildProcess; url: string; pid: number }> {
  const source = fileURLToPath(new URL('.', import.meta.url));
  // Within the project, so that the compiled files find its packages.
  const compiled = join(source, '..', '..', 'dist', `launcher-spec-${process.pid}`);
  folders.push(compiled);
  await mkdir(compiled, { recursive: true });
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  for (const name of ['start-postgres', 'server-user', 'binaries', 'data-directory']) {
    const text = await readFile(join(source, `${name}.ts`), 'utf8');
    await writeFile(join(compiled, `${name}.js`), ts.transpileModule(text, { compilerOptions }).outputText);
  }
  const script = `
    import { startPostgres } from './start-postgres.js';
    const { url } = await startPostgres({ dataDir: process.argv[2], durable: false });
    console.log(url);
    setInterval(() => undefined, 1_000);`;
  await writeFile(join(compiled, 'main.mjs'), script);
  const child = spawn(process.execPath, [join(compiled, 'main.mjs'), dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, url: line.toString().trim(), pid: postmasterPid(dataDir) };
}
