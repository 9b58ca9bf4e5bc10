import type { RequestRepository } from '@holdfast/persistence';
import type { Instant } from '@holdfast/scheduling';
import type { Journal } from '../persistence/journal.js';
import type { LiveProgram, Receipt } from './live-program.js';
import { requestIdReused } from './program-errors.js';

/** One mutating call. */
export interface AcceptedCall {
  /** Name of the rpc, in lower camel case. */
  readonly rpc: string;
  readonly requestId: string;
  readonly bodyDigest: string;
}

/** What receipts work with. */
export interface ReceiptsOptions {
  readonly requests: RequestRepository;
  readonly journal: Journal;
  readonly now: () => Instant;
}

/** Idempotency of the calls on one program: the same request id with the same body has one effect and one answer. */
export class Receipts {
  readonly #options: ReceiptsOptions;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /**
   * Runs `effect` unless the call was accepted before; returns the encoded answer either way. A failure leaves no
   * trace: the same call may be sent again.
   *
   * @throws DomainError REQUEST_ID_REUSED when the id was used with another body; whatever `effect` throws.
   */
  async once(
    program: LiveProgram,
    call: AcceptedCall,
    effect: () => Uint8Array | Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const key = `${call.rpc}:${call.requestId}`;
    const known = program.receipts.get(key);
    if (known !== undefined) return answerOf(known, call);
    const answer = this.#run(program, call, effect);
    program.receipts.set(key, { bodyDigest: call.bodyDigest, answer });
    try {
      return await answer;
    } catch (error) {
      program.receipts.delete(key);
      throw error;
    }
  }

  /** The answer that was given before to a call on a program that is no longer in memory; undefined when none was. */
  async stored(programId: string, call: AcceptedCall): Promise<Uint8Array | undefined> {
    const row = await this.#options.requests.find(scopeOf(programId, call.rpc), call.requestId);
    if (row === undefined) return undefined;
    if (Buffer.from(row.bodyDigest).toString('hex') !== call.bodyDigest)
      throw requestIdReused(call.requestId, call.rpc);
    return row.result ?? new Uint8Array();
  }

  async #run(
    program: LiveProgram,
    call: AcceptedCall,
    effect: () => Uint8Array | Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const { programId } = program;
    if (program.isRestored) {
      const earlier = await this.stored(programId, call);
      if (earlier !== undefined) return earlier;
    }
    const result = await effect();
    this.#options.journal.request({
      scope: scopeOf(programId, call.rpc),
      requestId: call.requestId,
      bodyDigest: call.bodyDigest,
      result,
      recordedAt: this.#options.now(),
    });
    return result;
  }
}

const scopeOf = (programId: string, rpc: string): string => `${rpc}:${programId}`;

const answerOf = (receipt: Receipt, call: AcceptedCall): Promise<Uint8Array> => {
  if (receipt.bodyDigest !== call.bodyDigest) throw requestIdReused(call.requestId, call.rpc);
  return receipt.answer;
};
