/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): a change that is sent again under its key has no
 * second effect and gets the answer of the first, also after a restart. A failure leaves nothing behind.
 */
import { invalidFields } from '@holdfast/platform';
import { createHash } from 'node:crypto';
import type { Identity } from '../identity/identity.js';
import { requestIdReused } from '../programs/program-errors.js';
import type { ProgramServices } from '../programs/program-services.js';
import type { ReadCall } from './read-request.js';

/** What Idempotency-Key may be: not so short that two calls come to the same by accident. */
export const keyPattern = /^[!-~]{8,128}$/;

/** An answer as it is kept. */
export interface KeptAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly version: string | null;
}

interface Effect {
  /** For this caller. */
  readonly answer: KeptAnswer;
  /** For those who send the call again. */
  readonly kept: KeptAnswer;
}

/** See the file header. */
export class RepeatedCalls {
  readonly #services: Pick<ProgramServices, 'requests' | 'journal' | 'pool'>;
  readonly #running = new Map<string, { readonly digest: string; readonly effect: Promise<Effect> }>();

  constructor(services: Pick<ProgramServices, 'requests' | 'journal' | 'pool'>) {
    this.#services = services;
  }

  /**
   * Runs `effect`, unless the caller has sent this call before.
   *
   * @throws DomainError REQUEST_ID_REUSED when the key was used for another call; whatever `effect` throws.
   */
  async once(
    call: { readonly operationId: string; readonly identity: Identity; readonly key: string; readonly read: ReadCall },
    effect: () => Promise<Effect>,
  ): Promise<KeptAnswer> {
    if (!keyPattern.test(call.key)) {
      const description = `is ${JSON.stringify(call.key.slice(0, 128))}; allowed: 8 to 128 printable characters`;
      throw invalidFields([{ field: 'idempotency-key', description }]);
    }
    const { tenantId, keyId } = call.identity;
    const scope = `rest:${tenantId}:${keyId ?? ''}`;
    const digest = digestOf(call.operationId, call.read);
    const running = this.#running.get(`${scope}:${call.key}`);
    if (running !== undefined) {
      requireSame(running.digest, digest, call.key);
      return (await running.effect).kept;
    }
    const started = this.#run({ scope, digest, key: call.key }, effect);
    this.#running.set(`${scope}:${call.key}`, { digest, effect: started });
    try {
      return (await started).answer;
    } finally {
      // From here on the database answers.
      this.#running.delete(`${scope}:${call.key}`);
    }
  }

  async #run(
    { scope, digest, key }: { readonly scope: string; readonly digest: string; readonly key: string },
    effect: () => Promise<Effect>,
  ): Promise<Effect> {
    const { requests, journal, pool } = this.#services;
    const earlier = await requests.find(scope, key);
    if (earlier !== undefined) {
      requireSame(Buffer.from(earlier.bodyDigest).toString('hex'), digest, key);
      const kept = JSON.parse(Buffer.from(earlier.result ?? []).toString()) as KeptAnswer;
      return { answer: kept, kept };
    }
    const done = await effect();
    const result = Buffer.from(JSON.stringify(done.kept));
    journal.request({ scope, requestId: key, bodyDigest: digest, result, recordedAt: pool.now() });
    await journal.flush();
    return done;
  }
}

const digestOf = (operationId: string, { params, query, body, ifMatch }: ReadCall): string =>
  createHash('sha256')
    .update(JSON.stringify([operationId, params, query, body, ifMatch]))
    .digest('hex');

const requireSame = (known: string, digest: string, key: string): void => {
  if (known !== digest) throw requestIdReused(key, 'another call of REST');
};
