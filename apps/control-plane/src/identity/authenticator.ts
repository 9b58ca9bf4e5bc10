/**
 * Who calls, by API key. Verified keys are remembered for a while, so that a call on the hot path costs one SHA-256.
 *
 * Work for callers nobody knows is bounded: an unknown prefix costs one look into the database, a wrong secret one
 * Argon2id, remembered too; beyond a number of verifications at once further ones are refused.
 */
import type { ApiKeyRepository, ApiKeyRow } from '@holdfast/persistence';
import { millis, type Instant } from '@holdfast/scheduling';
import { parseApiKey, tokenDigest, verifySecret } from './api-key.js';
import { EVERYBODY, type Identity } from './identity.js';
import { credentialsInvalid, credentialsMissing, rateLimited } from './identity-errors.js';

/** How long a verified key goes unasked: a key revoked by another replica works for so long. */
const REMEMBER_MS = 30_000;
const MAX_REMEMBERED = 10_000;
/** Verifications at once, waiting ones included. */
const MAX_PENDING = 64;

/** What the authenticator works with. */
export interface AuthenticatorOptions {
  /** Null: authentication is off. */
  readonly keys: Pick<ApiKeyRepository, 'byPrefix'> | null;
  /** Wall clock: keys expire in real time whatever the service's time scale. */
  readonly wallNow: () => Instant;
}

interface Remembered {
  /** Null: the key is no good. */
  readonly key: ApiKeyRow | null;
  readonly untilMs: number;
}

/** See the file header. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #remembered = new Map<string, Remembered>();
  readonly #pending = new Map<string, Promise<ApiKeyRow | null>>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** False: everybody is the default tenant's admin. */
  get isOn(): boolean {
    return this.#options.keys !== null;
  }

  /**
   * Who carries this key.
   *
   * @throws DomainError CREDENTIALS_MISSING, CREDENTIALS_INVALID, RATE_LIMITED, STORAGE_UNAVAILABLE.
   */
  async authenticate(token: string | undefined): Promise<Identity> {
    if (!this.isOn) return EVERYBODY;
    if (token === undefined || token === '') throw credentialsMissing();
    const digest = tokenDigest(token);
    const known = this.#remembered.get(digest);
    const key = known !== undefined && known.untilMs > Date.now() ? known.key : await this.#verified(token, digest);
    if (key === null || !isValid(key, this.#options.wallNow())) throw credentialsInvalid();
    return { tenantId: key.tenantId, role: key.role, keyId: key.keyId };
  }

  /** Modifies state. A key was revoked here: it does not work from now on. */
  forget(keyId: string): void {
    for (const [digest, { key }] of this.#remembered) if (key?.keyId === keyId) this.#remembered.delete(digest);
  }

  /** Callers that come with the same key at once share one verification. */
  #verified(token: string, digest: string): Promise<ApiKeyRow | null> {
    const known = this.#pending.get(digest);
    if (known !== undefined) return known;
    if (this.#pending.size >= MAX_PENDING) {
      throw rateLimited(`${MAX_PENDING} API keys are being verified, which is as much as may; try again`, millis(500));
    }
    const verification = this.#look(token)
      .then((key) => {
        this.#remember(digest, key);
        return key;
      })
      .finally(() => this.#pending.delete(digest));
    this.#pending.set(digest, verification);
    return verification;
  }

  async #look(token: string): Promise<ApiKeyRow | null> {
    const parts = parseApiKey(token);
    const row = parts === null ? undefined : await this.#options.keys?.byPrefix(parts.prefix);
    if (parts === null || row === undefined || row.revokedAt !== null) return null;
    return (await verifySecret(row.hash, parts.secret)) ? row : null;
  }

  #remember(digest: string, key: ApiKeyRow | null): void {
    this.#remembered.delete(digest);
    this.#remembered.set(digest, { key, untilMs: Date.now() + REMEMBER_MS });
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
  }
}

const isValid = ({ revokedAt, expiresAt }: ApiKeyRow, now: Instant): boolean =>
  revokedAt === null && (expiresAt === null || expiresAt > now);

/** Pure. The key of an `authorization` header; undefined when it is no bearer token. */
export const bearerToken = (header: string | undefined): string | undefined =>
  /^bearer +([^ ]+) *$/i.exec(header ?? '')?.[1];
