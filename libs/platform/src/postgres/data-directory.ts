/** Prepares the directory of a database cluster, and keeps two launchers off one directory. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chown, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServerUser, succeedsAs } from './server-user.js';

/** A prepared and locked directory. */
export interface DataDirectory {
  readonly path: string;
  /** The database cluster within; absent until it is created. */
  readonly cluster: string;
  /** Gives the lock back, and removes a temporary directory. The server must have ended. */
  readonly release: () => Promise<void>;
}

/** Reboots keep what lies here, and every account can walk to it. */
const sharedParent = '/var/tmp';
const oldServerDeadlineMillis = 15_000;
const pollMillis = 50;

/**
 * Prepares `wanted`, or a temporary directory. When the server's account cannot walk to `wanted` (root's home is
 * private), the cluster lies below /var/tmp instead, under a name derived from `wanted`.
 *
 * @throws Error when another process uses the directory.
 */
export async function prepareDataDirectory(
  wanted: string | undefined,
  user: ServerUser | undefined,
): Promise<DataDirectory> {
  if (wanted === undefined) {
    const path = await mkdtemp(join(tmpdir(), 'holdfast-postgres-'));
    await own(path, user);
    return { path, cluster: join(path, 'cluster'), release: () => rm(path, { recursive: true, force: true }) };
  }
  const path = await reachable(resolve(wanted), user);
  const lock = join(path, 'launcher.lock');
  const cluster = join(path, 'cluster');
  await takeLock(lock, path);
  try {
    await waitForOldServer(cluster);
  } catch (error) {
    await rm(lock, { force: true });
    throw error;
  }
  return { path, cluster, release: () => rm(lock, { force: true }) };
}

async function reachable(path: string, user: ServerUser | undefined): Promise<string> {
  if (await create(path, user)) return path;
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 12);
  const instead = join(sharedParent, `holdfast-${basename(path)}-${digest}`);
  if (await create(instead, user)) return instead;
  throw new Error(`account ${user?.name ?? 'of this process'} can write neither to ${path} nor to ${instead}`);
}

/** Parents get the default mode: with 0700 for them too, the server's account could not walk through. */
async function create(path: string, user: ServerUser | undefined): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true });
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(path);
  const isOurs = found.uid === process.getuid?.() || found.uid === user?.uid;
  if (!found.isDirectory() || !isOurs) throw new Error(`${path} is not a directory of this account; remove it`);
  await own(path, user);
  return succeedsAs(user, '/bin/sh', ['-c', 'test -w "$1" && test -x "$1"', 'sh', path]);
}

async function own(path: string, user: ServerUser | undefined): Promise<void> {
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

interface LockHolder {
  readonly pid: number;
  /** Tells the process from a later one with the same number, where the system says. */
  readonly startedTicks: string | null;
}

async function takeLock(lock: string, dataDir: string): Promise<void> {
  const own: LockHolder = { pid: process.pid, startedTicks: startedTicks(process.pid) };
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await writeFile(lock, JSON.stringify(own), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await readHolder(lock);
    if (holder !== undefined && isAlive(holder.pid) && startedTicks(holder.pid) === holder.startedTicks) {
      throw new Error(
        `the database in ${dataDir} is in use by process ${holder.pid}; stop it, or choose another data directory`,
      );
    }
    // Its process ended without giving it back.
    await rm(lock, { force: true });
  }
  throw new Error(`the lock ${lock} is taken and left again and again; allowed: one process for ${dataDir}`);
}

async function readHolder(lock: string): Promise<LockHolder | undefined> {
  try {
    return JSON.parse(await readFile(lock, 'utf8')) as LockHolder;
  } catch {
    // Gone meanwhile, or half written by a process that died: free either way.
    return undefined;
  }
}

/**
 * A server whose launcher was killed ends by itself within moments: waits for that. A postmaster.pid that a crash left
 * is removed when its process is gone or is another program by now; PostgreSQL itself would refuse the latter case.
 */
async function waitForOldServer(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  for (let waited = 0; ; waited += pollMillis) {
    const pid = await readFile(file, 'utf8').then(
      (text) => Number.parseInt(text, 10),
      () => undefined, // No server was left.
    );
    if (pid === undefined) return;
    if (!isServerOf(pid, cluster)) {
      await rm(file, { force: true });
      return;
    }
    if (waited >= oldServerDeadlineMillis) {
      throw new Error(`the database in ${cluster} is in use by PostgreSQL process ${pid}; stop it first`);
    }
    await sleep(pollMillis);
  }
}

function isServerOf(pid: number, cluster: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(cluster);
  } catch {
    // No /proc: PostgreSQL's own check decides.
    return true;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Start time of a process in clock ticks since boot; null where the system does not say. */
function startedTicks(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; start time is the 20th field after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
