import {
  after,
  seconds,
  type EngineDescription,
  type EngineHints,
  type Instant,
  type PinTerms,
} from '@holdfast/scheduling';
import { EventPriority } from '../event-queue.js';
import type { SimulatedEngine, SimulatedTurn } from '../extent-engine/simulated-engine.js';
import type { ProgramRunner } from './program-runner.js';
import type { Simulation } from './simulate.js';

/** Between two reports of an engine: the control plane's interval. */
const OBSERVED_EVERY = seconds(1);
/** Before timers: what a policy does at a tick, it does with the news. */
const OBSERVED_PRIORITY = EventPriority.timerFired - 5;

/** One engine inside a simulation: turns its boundaries into events, and its pin changes into the kernel's. */
export class EngineRunner {
  #boundaryAt: Instant | null = null;
  #expiryAt: Instant | null = null;
  #version = 0;
  #expiryVersion = 0;
  #resumeAt: Instant | null = null;
  #observedAt: Instant | null = null;
  #isObservationDue = false;

  constructor(
    private readonly simulation: Simulation,
    readonly description: EngineDescription,
    private readonly engine: SimulatedEngine,
  ) {}

  submit(turn: Omit<SimulatedTurn, 'rank' | 'bid' | 'pin'>, hints: EngineHints): void {
    const { pins, ordersByRank } = this.description.capabilities;
    // An engine that does not know the hints does as if there were none: turns of one rank run in order of arrival.
    const pin = hints.pin === undefined || !pins ? {} : { pin: hints.pin };
    const rank = ordersByRank ? hints.rank : 0;
    this.engine.submit({ ...turn, rank, bid: hints.bid, ...pin }, this.simulation.now);
    this.#changed();
  }

  abort(turnId: string): void {
    this.engine.abort(turnId, this.simulation.now);
    this.#changed();
  }

  rerank(turnId: string, rank: number): void {
    this.engine.rerank(turnId, rank, this.simulation.now);
    this.#changed();
  }

  pin(programId: string, terms: PinTerms): void {
    const set = this.engine.pin(programId, terms, this.simulation.now);
    if (typeof set === 'string')
      this.#postLost(programId, set === 'cap-reached' ? 'PIN_CAP_REACHED' : 'KV_NOT_RESIDENT');
    else this.#postPin('set', programId, set.tokens, set.expiresAt);
    this.#changed();
  }

  renew(programId: string, terms: PinTerms): void {
    if (this.engine.renew(programId, terms, this.simulation.now) === 'no-pin') {
      this.#postLost(programId, 'PIN_NOT_FOUND');
    }
    this.#changed();
  }

  release(programId: string): void {
    this.engine.release(programId, this.simulation.now);
    this.#changed();
  }

  /** Modifies state. Steps end: first tokens and finished turns become known. */
  boundary(version: number, programs: ProgramRunner): void {
    if (version !== this.#version) return;
    this.#boundaryAt = null;
    const { started, finished } = this.engine.settle();
    this.#reportPins();
    for (const turnId of started) programs.started(turnId);
    for (const turn of finished) programs.finishedTurn(turn, this.description.engineId);
    this.#changed();
  }

  /** Modifies state. Everything of this instant is known: the engine goes on. */
  resume(version: number): void {
    if (version !== this.#version) return;
    this.#resumeAt = null;
    this.engine.resume(this.simulation.now);
    this.#reportPins();
    this.#watch();
  }

  /** Modifies state. */
  expire(version: number): void {
    if (version !== this.#expiryVersion) return;
    this.#expiryAt = null;
    this.engine.expire(this.simulation.now);
    this.#changed();
  }

  /** Modifies state. The kernel hears of the engine's pool and queues. */
  observe(): void {
    const { engineId, epoch } = this.description;
    const { now } = this.simulation;
    this.#isObservationDue = false;
    this.#observedAt = now;
    this.simulation.post({ type: 'engineObserved', engineId, epoch, observedAt: now, load: this.engine.load() });
  }

  #changed(): void {
    this.#reportPins();
    this.#watch();
    this.#observeSoon();
    const { queue, now } = this.simulation;
    if (this.engine.boundaryAt !== null || this.#resumeAt === now) return;
    this.#resumeAt = now;
    queue.push(now, EventPriority.stepStarted, { what: 'resume', engine: this, version: this.#version });
  }

  /** An engine to which nothing happens has nothing new to report. */
  #observeSoon(): void {
    if (this.#isObservationDue) return;
    this.#isObservationDue = true;
    const { queue, now } = this.simulation;
    const dueAt = this.#observedAt === null ? now : after(this.#observedAt, OBSERVED_EVERY);
    queue.push(dueAt > now ? dueAt : now, OBSERVED_PRIORITY, { what: 'observation', engine: this });
  }

  /** Keeps one live entry for the boundary and one for the expiry in the queue; older ones are recognised and skipped. */
  #watch(): void {
    const { queue } = this.simulation;
    const boundaryAt = this.engine.boundaryAt;
    if (boundaryAt !== this.#boundaryAt) {
      this.#boundaryAt = boundaryAt;
      this.#version += 1;
      // A pending resume carries an older version: it has nothing left to do while something is under way.
      this.#resumeAt = null;
      if (boundaryAt !== null) {
        queue.push(boundaryAt, EventPriority.stepFinished, { what: 'boundary', engine: this, version: this.#version });
      }
    }
    const expiryAt = this.engine.nextExpiry();
    if (expiryAt === null || (this.#expiryAt !== null && this.#expiryAt <= expiryAt)) return;
    this.#expiryAt = expiryAt;
    this.#expiryVersion += 1;
    queue.push(expiryAt, EventPriority.pinExpired, { what: 'expiry', engine: this, version: this.#expiryVersion });
  }

  /** The kernel hears of what it did not cause itself; pins set or renewed at its command it knows from the answer. */
  #reportPins(): void {
    for (const event of this.engine.drainPinEvents()) {
      const { change, pin } = event;
      this.simulation.observer?.pin?.(this.description.engineId, event, this.simulation.now);
      if (change === 'hit' || change === 'expired' || change === 'revoked') {
        this.#postPin(change, pin.programId, pin.tokens, pin.expiresAt, event.reason);
      }
    }
  }

  #postPin(
    change: 'set' | 'hit' | 'expired' | 'revoked',
    programId: string,
    pinnedTokens: number,
    expiresAt: Instant,
    reason?: string,
  ): void {
    const { engineId, epoch } = this.description;
    this.simulation.post({
      type: 'pinChanged',
      engineId,
      epoch,
      programId,
      change,
      pinnedTokens,
      expiresAt,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  #postLost(programId: string, reason: string): void {
    const { engineId, epoch } = this.description;
    const at = this.simulation.now;
    this.simulation.post({
      type: 'pinChanged',
      engineId,
      epoch,
      programId,
      change: 'lost',
      pinnedTokens: 0,
      expiresAt: at,
      reason,
    });
  }
}
