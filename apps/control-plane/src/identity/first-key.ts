/**
 * The first key. Keys are made over REST with a key, so one has to be there before: it lies in a file that only its
 * owner reads. A file that is there already is taken as it is, so a deployment can bring its own.
 */
import type { ApiKeyRepository } from '@holdfast/persistence';
import type { Instant } from '@holdfast/scheduling';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { apiKeyText, hashSecret, newApiKey, parseApiKey, type ApiKeyParts } from './api-key.js';
import { DEFAULT_TENANT } from './identity.js';

/** What the first key is made of. */
export interface FirstKeyOptions {
  readonly keys: ApiKeyRepository;
  readonly file: string;
  /** Where REST is served. */
  readonly restUrl: string;
  readonly wallNow: () => Instant;
  readonly logger: Logger;
}

/**
 * Makes sure that somebody can make keys: takes the admin key in the file, or, when no key was ever made, makes one and
 * writes it there.
 *
 * @throws Error when the file holds something else, or cannot be written.
 */
export const ensureFirstKey = async (options: FirstKeyOptions): Promise<void> => {
  const { keys, file, logger } = options;
  const given = await readKey(file);
  if (given === null && (await keys.count()) > 0) return;
  const parts = given ?? newApiKey();
  if ((await keys.byPrefix(parts.prefix)) !== undefined) return;
  // Written first: a key that is nowhere but in the database is of no use.
  if (given === null) await writeKey(file, parts);
  await keys.create({
    keyId: `key-${randomUUID()}`,
    prefix: parts.prefix,
    tenantId: DEFAULT_TENANT,
    role: 'admin',
    name: 'first key',
    hash: await hashSecret(parts.secret),
    createdAt: options.wallNow(),
    expiresAt: null,
    revokedAt: null,
  });
  logger.warn(
    { file, makeMore: makeMore(options) },
    'the admin key in this file works from now on: make the other keys with it',
  );
};

/** A command line that makes a key. */
const makeMore = ({ file, restUrl }: FirstKeyOptions): string =>
  `curl ${restUrl}/keys -H "authorization: Bearer $(cat ${file})" -H 'content-type: application/json' ` +
  `-d '{"tenantId":null,"role":"agent","name":"my agents","expiresInSeconds":null}'`;

const readKey = async (file: string): Promise<ApiKeyParts | null> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const parts = parseApiKey(text.trim());
  if (parts === null) {
    throw new Error(`HOLDFAST_ADMIN_KEY_FILE is ${file}, which holds no API key; allowed: hf_<16 hex>_<43 base64url>`);
  }
  return parts;
};

const writeKey = async (file: string, parts: ApiKeyParts): Promise<void> => {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${apiKeyText(parts)}\n`, { mode: 0o600, flag: 'wx' });
};
