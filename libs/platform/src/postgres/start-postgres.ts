/**
 * Starts the embedded PostgreSQL: real binaries from npm, no system service, no root server, no orphan.
 *
 * Invariant: the server ends when `stop()` is called or this process ends, however it ends: a shell holds a pipe from
 * here and stops the server when the pipe closes.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { access, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import getPort from 'get-port';
import { type PostgresBinaries, findBinaries } from './binaries.js';
import { type DataDirectory, prepareDataDirectory } from './data-directory.js';
import { type ServerUser, findServerUser } from './server-user.js';

/** Options of {@link startPostgres}. */
export interface PostgresOptions {
  /** Where the data lies. Default: a temporary directory that `stop()` removes. */
  readonly dataDir?: string;
  /** False trades crash safety for speed: tests only. */
  readonly durable: boolean;
  /** Port to listen on. Default: a free one. */
  readonly port?: number;
}

/** A running server. */
export interface EmbeddedPostgres {
  /** For clients: superuser, no password, loopback only. */
  readonly url: string;
  readonly port: number;
  /** Where the data really lies (see data-directory.ts). */
  readonly dataDir: string;
  /** Resolves when the server has ended, with why: its exit code or signal. */
  readonly exited: Promise<string>;
  /** Ends the server, finishing what is committed, and waits for it. May be called again. */
  stop(): Promise<void>;
}

const holdShell = 'exec 3<&0; "$@" 3<&- & p=$!; (cat <&3 >/dev/null; kill -INT $p 2>/dev/null) & wait $p';
const readyLine = 'database system is ready to accept connections';
const startDeadlineMillis = 60_000;
const stopDeadlineMillis = 15_000;
const keptLogLines = 50;
const startAttempts = 20;
const attemptPauseMillis = 250;
/** What passes by itself: the port was taken meanwhile; children of a killed server are still ending. */
const passingFailure = /could not bind|could not create any TCP\/IP sockets|pre-existing shared memory block/;

/**
 * Starts a server, creating the cluster first where there is none.
 *
 * @throws Error with the end of the server's log when it does not come up, or when the directory is in use.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const user = await findServerUser();
  const binaries = await findBinaries(user);
  const directory = await prepareDataDirectory(options.dataDir, user);
  try {
    const launch = { options, binaries, directory, user };
    await createCluster(launch);
    return await startServer(launch);
  } catch (error) {
    await directory.release();
    throw error;
  }
}

const runFile = promisify(execFile);

const environment = { PATH: '/usr/bin:/bin', TZ: 'UTC', LC_ALL: 'C' };
const identityOf = (user: ServerUser | undefined): { uid?: number; gid?: number } =>
  user === undefined ? {} : { uid: user.uid, gid: user.gid };

/** Made beside its place and moved there when complete: a process that ends halfway leaves no half cluster. */
async function createCluster({ options, binaries, directory, user }: Launch): Promise<void> {
  if (await exists(directory.cluster)) return;
  const unfinished = join(directory.path, 'cluster.unfinished');
  await rm(unfinished, { recursive: true, force: true });
  const args = ['-D', unfinished, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C'];
  if (!options.durable) args.push('--no-sync');
  const settings = { ...identityOf(user), cwd: '/', env: environment, timeout: startDeadlineMillis };
  await runFile(binaries.initdb, args, settings);
  await rename(unfinished, directory.cluster);
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false, // Absent; anything worse shows when initdb or the server tries.
  );

interface Launch {
  readonly options: PostgresOptions;
  readonly binaries: PostgresBinaries;
  readonly directory: DataDirectory;
  readonly user: ServerUser | undefined;
}

async function startServer(launch: Launch): Promise<EmbeddedPostgres> {
  for (let attempt = 1; ; attempt++) {
    const port = launch.options.port ?? (await getPort({ host: '127.0.0.1' }));
    const server = spawnServer(launch, port);
    try {
      await server.ready;
      return toHandle(launch, port, server);
    } catch (error) {
      await endServer(server);
      const isPassing = error instanceof Error && passingFailure.test(error.message);
      if (!isPassing || attempt === startAttempts) throw error;
      await sleep(attemptPauseMillis);
    }
  }
}

interface Server {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly exited: Promise<string>;
}

function spawnServer({ options, binaries, directory, user }: Launch, port: number): Server {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(options.durable ? {} : { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const command = [binaries.postgres, '-D', directory.cluster, ...flags];
  // Its own session: Ctrl-C in a terminal is for this process, which still has to write before the server may go.
  const child = spawn('/bin/sh', ['-c', holdShell, 'holdfast-postgres', ...command], {
    ...identityOf(user),
    cwd: '/',
    env: environment,
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  child.stdin?.on('error', () => undefined); // The shell may be gone before the pipe is closed.
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  void exited.then(() => child.stdin?.end());
  return { child, exited, ready: becomesReady(child, exited) };
}

function becomesReady(child: ChildProcess, exited: Promise<string>): Promise<void> {
  const log: string[] = [];
  const failure = (what: string): Error => new Error(`PostgreSQL ${what}; its log ends with:\n${log.join('\n')}`);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(failure('did not start in time')), startDeadlineMillis);
    // Reads on for the life of the server: a full pipe would block it.
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        log.push(line);
        if (log.length > keptLogLines) log.shift();
        if (!line.includes(readyLine)) return;
        clearTimeout(timer);
        resolve();
      });
    }
    void exited.then((why) => {
      clearTimeout(timer);
      // The last lines may still be in the pipe.
      setImmediate(() => reject(failure(`ended at start (${why})`)));
    });
  });
}

function toHandle({ directory }: Launch, port: number, server: Server): EmbeddedPostgres {
  let stopping: Promise<void> | undefined;
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    port,
    dataDir: directory.path,
    exited: server.exited,
    stop: () => (stopping ??= endServer(server).then(directory.release)),
  };
}

/** A fast shutdown, then an immediate one: both keep what is committed. */
async function endServer({ child, exited }: Server): Promise<void> {
  child.stdin?.end();
  const hasEnded = await Promise.race([exited.then(() => true), sleep(stopDeadlineMillis, false, { ref: false })]);
  if (hasEnded || child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGQUIT');
  } catch {
    // It ended just now.
  }
  await exited;
}
