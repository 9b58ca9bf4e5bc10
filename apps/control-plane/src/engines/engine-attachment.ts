/**
 * One engine of the pool: attach, watch, notice its loss, attach again with backoff, for as long as the service runs.
 *
 * Invariants: the kernel hears `engineJoined` before anything else about an epoch, and `engineLost` once at its end;
 * pins that the engine holds for programs nobody knows are given back; an engine of another model is never attached.
 */
import type { EngineClient, EngineInfo, HeldPin, WatchEvent } from '@holdfast/engines';
import { DomainError, toDomainError } from '@holdfast/platform';
import { instant, type EngineEpoch, type EngineId, type Instant, type KernelEvent } from '@holdfast/scheduling';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff } from './backoff.js';

/** How often an engine reports its load. */
const WATCH_INTERVAL_MS = 1_000;

/** An attachment that lasted this long was a good one: the next failure starts with a short delay again. */
const STABLE_AFTER_MS = 10_000;

/** What an attachment works with. */
export interface EngineAttachmentOptions {
  readonly engineId: EngineId;
  readonly client: EngineClient;
  readonly now: () => Instant;
  readonly post: (event: KernelEvent) => void;
  /** True for a live program. */
  readonly knowsProgram: (programId: string) => boolean;
  /** Throws when the engine does not fit the pool. */
  readonly admit: (info: EngineInfo) => void;
  readonly onAttached: (info: EngineInfo) => void;
  readonly onLost: (error: DomainError, isFirstFailure: boolean) => void;
}

/** See the file header. */
export class EngineAttachment {
  readonly #options: EngineAttachmentOptions;
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff({ baseMs: 100, capMs: 5_000, random: Math.random });
  readonly #firstAttempt: Promise<void>;
  #firstAttemptDone: () => void = () => undefined;
  #info: EngineInfo | null = null;
  #watch: AbortController | null = null;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: EngineAttachmentOptions) {
    this.#options = options;
    this.#firstAttempt = new Promise((resolve) => {
      this.#firstAttemptDone = resolve;
    });
  }

  /** What the engine said when it was attached; null while it is away. */
  get info(): EngineInfo | null {
    return this.#info;
  }

  /** Modifies state. Starts the loop. */
  start(): void {
    this.#loop = this.#run();
  }

  /** Resolves when the first attempt to attach has succeeded or failed. */
  settled(): Promise<void> {
    return this.#firstAttempt;
  }

  /** The client while `epoch` lasts. */
  clientOf(epoch: EngineEpoch): EngineClient | undefined {
    return this.#info?.description.epoch === epoch ? this.#options.client : undefined;
  }

  /**
   * A call broke. An engine that breaks the protocol is given up for a while, so that its turns run elsewhere; one that
   * cannot be reached is asked for a sign of life, and without one it counts as lost at once.
   */
  async suspect(epoch: EngineEpoch, error: DomainError): Promise<void> {
    // That it serves another epoch is certain as well: what it held in this one is gone.
    if (error.reason === 'ENGINE_PROTOCOL_VIOLATED' || error.reason === 'EPOCH_STALE') this.#lose(epoch, error);
    if (error.reason !== 'ENGINE_UNREACHABLE' && error.reason !== 'ENGINE_RESTARTED') return;
    if (this.clientOf(epoch) === undefined) return;
    try {
      await this.#options.client.checkHealth();
    } catch (failure) {
      this.#lose(epoch, toDomainError(failure));
    }
  }

  /** Modifies state. Ends the loop and closes the client. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#watch?.abort();
    await this.#loop;
    this.#options.client.close();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const startedAtMs = performance.now();
      let epoch: EngineEpoch | null = null;
      try {
        epoch = await this.#attach();
        this.#firstAttemptDone();
        await this.#follow(epoch);
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        this.#noticeFailure(epoch, toDomainError(error));
      }
      this.#firstAttemptDone();
      if (performance.now() - startedAtMs > STABLE_AFTER_MS) this.#backoff.reset();
      await sleep(this.#backoff.next(), undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
    this.#firstAttemptDone();
  }

  #noticeFailure(epoch: EngineEpoch | null, error: DomainError): void {
    if (epoch === null) this.#options.onLost(error, this.#backoff.failures === 0);
    else this.#lose(epoch, error);
  }

  async #attach(): Promise<EngineEpoch> {
    const { client, admit, post, onAttached } = this.#options;
    const info = await client.info();
    admit(info);
    const { epoch } = info.description;
    this.#info = info;
    post({ type: 'engineJoined', engine: info.description });
    onAttached(info);
    if (info.description.capabilities.pins) await this.#reconcile(epoch);
    return epoch;
  }

  /** Takes over what the engine holds: known programs' pins are news, others' are given back. */
  async #reconcile(epoch: EngineEpoch): Promise<void> {
    const { client, knowsProgram } = this.#options;
    const held = await client.listPins();
    if (held.epoch !== epoch) throw this.#restarted(held.epoch);
    for (const pin of held.pins) {
      if (knowsProgram(pin.programId)) this.#postPin(epoch, 'set', pin);
      else await client.release(pin.programId, epoch);
    }
  }

  async #follow(epoch: EngineEpoch): Promise<void> {
    // The engine may have been given up while its pins were read.
    if (this.clientOf(epoch) === undefined) throw this.#restarted('unknown');
    const watch = new AbortController();
    this.#watch = watch;
    for await (const event of this.#options.client.watch({ intervalMs: WATCH_INTERVAL_MS, signal: watch.signal })) {
      if (watch.signal.aborted) return;
      if (event.epoch !== epoch) throw this.#restarted(event.epoch);
      this.#take(event);
    }
    if (watch.signal.aborted) return;
    throw new DomainError({
      kind: 'unavailable',
      reason: 'ENGINE_UNREACHABLE',
      message: `engine ${this.#options.engineId} ended its watch stream`,
    });
  }

  #take(event: WatchEvent): void {
    const { engineId, now, post } = this.#options;
    if (event.type === 'load') {
      post({ type: 'engineObserved', engineId, epoch: event.epoch, observedAt: now(), load: event.load });
    } else {
      this.#postPin(event.epoch, event.change, event.pin, event.reason);
    }
  }

  #postPin(
    epoch: EngineEpoch,
    change: Extract<WatchEvent, { type: 'pin' }>['change'],
    pin: HeldPin,
    reason?: string,
  ): void {
    const { engineId, now, post } = this.#options;
    post({
      type: 'pinChanged',
      engineId,
      epoch,
      programId: pin.programId,
      change,
      pinnedTokens: pin.pinnedTokens,
      expiresAt: instant(now() + pin.expiresInMs * 1_000),
      ...(reason === undefined ? {} : { reason }),
    });
  }

  #lose(epoch: EngineEpoch, error: DomainError): void {
    if (this.clientOf(epoch) === undefined) return;
    this.#info = null;
    this.#watch?.abort();
    this.#options.post({ type: 'engineLost', engineId: this.#options.engineId, reason: error.reason });
    this.#options.onLost(error, true);
  }

  #restarted(epoch: string): DomainError {
    return new DomainError({
      kind: 'unavailable',
      reason: 'ENGINE_RESTARTED',
      message: `engine ${this.#options.engineId} has a new epoch: ${epoch}`,
    });
  }
}
