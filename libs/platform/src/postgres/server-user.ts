import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** The account that the server runs as. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);
const checkTimeoutMillis = 10_000;

/**
 * PostgreSQL refuses to run as root, so root hands it to `postgres` or `nobody`; anybody else runs it as themselves
 * (undefined).
 */
export async function findServerUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find(([account]) => account === name) ?? [];
    if (uid !== undefined && gid !== undefined) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL does not run as root, and neither account postgres nor nobody exists; set DATABASE_URL');
}

/** Runs a short program as the server's account; false when that fails for whatever reason. */
export async function succeedsAs(
  user: ServerUser | undefined,
  file: string,
  args: readonly string[],
): Promise<boolean> {
  const identity = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  try {
    await run(file, [...args], { ...identity, cwd: '/', timeout: checkTimeoutMillis });
    return true;
  } catch {
    // The question was whether it works; the callers act on the answer.
    return false;
  }
}
