/**
 * API keys: `hf_PREFIX_SECRET`. The prefix finds the row, the secret proves the caller. A secret has 256 random bits, so
 * its hash needs no more work than Argon2id's least sensible parameters (OWASP's are for passwords).
 */
import { hash, verify } from '@node-rs/argon2';
import { createHash, randomBytes } from 'node:crypto';

const HASH_OPTIONS = { memoryCost: 8_192, timeCost: 1, parallelism: 1 } as const;
const pattern = /^hf_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** A key in its parts. */
export interface ApiKeyParts {
  readonly prefix: string;
  readonly secret: string;
}

/** A new key. Not pure: random. */
export const newApiKey = (): ApiKeyParts => ({
  prefix: randomBytes(8).toString('hex'),
  secret: randomBytes(32).toString('base64url'),
});

/** Pure. The key as its owner gets it, once. */
export const apiKeyText = ({ prefix, secret }: ApiKeyParts): string => `hf_${prefix}_${secret}`;

/** Pure. Reads a key; null when it is none. */
export const parseApiKey = (text: string): ApiKeyParts | null => {
  const [, prefix, secret] = pattern.exec(text) ?? [];
  return prefix === undefined || secret === undefined ? null : { prefix, secret };
};

/** The hash that is stored. */
export const hashSecret = (secret: string): Promise<string> => hash(secret, HASH_OPTIONS);

/** True when the secret is the one that was hashed. */
export const verifySecret = (stored: string, secret: string): Promise<boolean> => verify(stored, secret);

/** Pure. What a token is remembered by, so that memory holds no secrets. */
export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('base64');
