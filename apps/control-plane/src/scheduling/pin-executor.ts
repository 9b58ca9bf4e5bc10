/**
 * Carries pin commands out: bounded concurrency an engine, one at a time and in order a program, results back as
 * `pinChanged` events.
 *
 * A command that a newer one for the same program overtakes while it waits is dropped: only the last wish counts.
 * Retried once on a deadline or a lost connection; every other refusal is an answer. A pin that could not be set is
 * reported as released, so that the kernel never counts on KV that nobody holds.
 */
import type { EngineClient, HeldPin } from '@holdfast/engines';
import { toDomainError, type ReasonName } from '@holdfast/platform';
import {
  instant,
  type EngineEpoch,
  type EngineId,
  type Instant,
  type KernelEvent,
  type PinChanged,
  type ProgramId,
  type ReleasePin,
  type RenewPin,
  type SetPin,
} from '@holdfast/scheduling';

/** Calls to one engine at once. */
const MAX_CALLS = 16;

/** A pin command of the kernel. */
export type PinCommand = SetPin | RenewPin | ReleasePin;

/** What the executor works with. */
export interface PinExecutorOptions {
  readonly now: () => Instant;
  readonly post: (event: KernelEvent) => void;
  readonly client: (engineId: EngineId, epoch: EngineEpoch) => EngineClient | undefined;
  /** The engine did not do it, or did not answer. */
  readonly onRefused: (command: PinCommand, reason: ReasonName) => void;
}

interface Lane {
  /** Programs with a call under way. */
  readonly busy: Set<ProgramId>;
  /** Last wish of each program that waits, in order of arrival. */
  readonly waiting: Map<ProgramId, PinCommand>;
}

/** See the file header. */
export class PinExecutor {
  readonly #options: PinExecutorOptions;
  readonly #lanes = new Map<EngineId, Lane>();
  #idleWaiters: (() => void)[] = [];

  constructor(options: PinExecutorOptions) {
    this.#options = options;
  }

  /** Modifies state. Returns before the engine has answered. */
  submit(command: PinCommand): void {
    const lane = this.#lane(command.engineId);
    // Deleted first, so that the new wish takes its place at the end.
    lane.waiting.delete(command.programId);
    lane.waiting.set(command.programId, command);
    this.#pump(lane);
  }

  /** Resolves when nothing waits or runs. The caller brings the deadline. */
  untilIdle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  #lane(engineId: EngineId): Lane {
    const known = this.#lanes.get(engineId);
    if (known !== undefined) return known;
    const lane: Lane = { busy: new Set(), waiting: new Map() };
    this.#lanes.set(engineId, lane);
    return lane;
  }

  #isIdle(): boolean {
    for (const lane of this.#lanes.values()) if (lane.busy.size > 0 || lane.waiting.size > 0) return false;
    return true;
  }

  #pump(lane: Lane): void {
    for (const [programId, command] of lane.waiting) {
      if (lane.busy.size >= MAX_CALLS) return;
      if (lane.busy.has(programId)) continue;
      lane.waiting.delete(programId);
      lane.busy.add(programId);
      void this.#carryOut(lane, command);
    }
  }

  async #carryOut(lane: Lane, command: PinCommand): Promise<void> {
    const change = await this.#call(command);
    lane.busy.delete(command.programId);
    // A newer wish waits: its own result is the news.
    if (change !== null && !lane.waiting.has(command.programId)) this.#options.post(change);
    this.#pump(lane);
    if (!this.#isIdle()) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }

  async #call(command: PinCommand): Promise<PinChanged | null> {
    const client = this.#options.client(command.engineId, command.epoch);
    // The epoch is over: the kernel has heard so, and its pins went with it.
    if (client === undefined) return null;
    for (let retries = 1; ; retries -= 1) {
      try {
        return await this.#callOnce(client, command);
      } catch (error) {
        const { reason } = toDomainError(error);
        if (retries > 0 && (reason === 'ENGINE_DEADLINE' || reason === 'ENGINE_UNREACHABLE')) continue;
        this.#options.onRefused(command, reason);
        // The pin was taken over, or has ended: the engine tells which by an event of its own.
        if (reason === 'PIN_NOT_FOUND' || reason === 'EPOCH_STALE') return null;
        return this.#change(command, 'released', 0, this.#options.now());
      }
    }
  }

  async #callOnce(client: EngineClient, command: PinCommand): Promise<PinChanged> {
    const { programId, epoch } = command;
    if (command.type === 'releasePin') {
      await client.release(programId, epoch);
      return this.#change(command, 'released', 0, this.#options.now());
    }
    const isSet = command.type === 'setPin';
    const pin = await (isSet
      ? client.pin(programId, epoch, command.terms)
      : client.renew(programId, epoch, command.terms));
    return this.#change(command, isSet ? 'set' : 'renewed', pin.pinnedTokens, this.#expiry(pin));
  }

  #expiry(pin: HeldPin): Instant {
    return instant(this.#options.now() + pin.expiresInMs * 1_000);
  }

  #change(command: PinCommand, change: PinChanged['change'], pinnedTokens: number, expiresAt: Instant): PinChanged {
    const { engineId, epoch, programId } = command;
    return { type: 'pinChanged', engineId, epoch, programId, change, pinnedTokens, expiresAt };
  }
}
