/**
 * The lives of pins, from set to their end, as the kernel's view of its programs shows them after each step: one row
 * and one span a life. The kernel decides; this only tells.
 */
import type { DecisionOutcome, Instant, KernelEvent, ProgramId, ProgramView } from '@holdfast/scheduling';
import { randomUUID } from 'node:crypto';
import type { PinEntry } from '../persistence/journal.js';

/** Where pins are told. */
export interface PinTrackerOptions {
  readonly program: (programId: ProgramId) => ProgramView | null;
  readonly epochOf: (engineId: string) => string;
  readonly programOfTurn: (turnId: string) => ProgramId | undefined;
  readonly onSet: (pin: PinEntry) => void;
  readonly onRenewed: (pin: PinEntry, expiresAt: Instant) => void;
  readonly onEnded: (pin: PinEntry, outcome: DecisionOutcome, at: Instant, reason?: string) => void;
}

/** See the file header. */
export class PinTracker {
  readonly #options: PinTrackerOptions;
  readonly #open = new Map<ProgramId, PinEntry>();

  constructor(options: PinTrackerOptions) {
    this.#options = options;
  }

  /** Pins that are held. */
  get size(): number {
    return this.#open.size;
  }

  /** Modifies state. To be called after the kernel has handled the event. */
  observe(event: KernelEvent, now: Instant): void {
    if (event.type === 'engineLost') {
      for (const pin of [...this.#open.values()]) if (pin.engineId === event.engineId) this.#end(pin, 'lost', now);
      return;
    }
    const programId = this.#programOf(event);
    if (programId !== undefined) this.#compare(programId, event, now);
  }

  #compare(programId: ProgramId, event: KernelEvent, now: Instant): void {
    const held = this.#options.program(programId)?.pin ?? null;
    const isHeld = held !== null && held.pinnedTokens > 0;
    let known = this.#open.get(programId);
    // A finished turn takes the pin over; what is held after it is a new one.
    if (known !== undefined && (!isHeld || event.type === 'turnFinished' || known.engineId !== held.engineId)) {
      this.#end(known, outcomeOf(event, known, now), now, event.type === 'pinChanged' ? event.reason : undefined);
      known = undefined;
    }
    if (!isHeld) return;
    if (known === undefined) {
      this.#set(programId, held, now);
    } else if (known.expiresAt !== held.expiresAt) {
      this.#open.set(programId, { ...known, expiresAt: held.expiresAt });
      this.#options.onRenewed(known, held.expiresAt);
    }
  }

  #set(programId: ProgramId, held: NonNullable<ProgramView['pin']>, now: Instant): void {
    const pin: PinEntry = {
      pinId: randomUUID(),
      programId,
      engineId: held.engineId,
      engineEpoch: this.#options.epochOf(held.engineId),
      pinnedTokens: held.pinnedTokens,
      setAt: now,
      expiresAt: held.expiresAt,
    };
    this.#open.set(programId, pin);
    this.#options.onSet(pin);
  }

  #end(pin: PinEntry, outcome: DecisionOutcome, now: Instant, reason?: string): void {
    this.#open.delete(pin.programId);
    this.#options.onEnded(pin, outcome, now, reason);
  }

  #programOf(event: KernelEvent): ProgramId | undefined {
    switch (event.type) {
      case 'turnFinished':
      case 'turnStarted':
      case 'turnFailed':
      case 'turnCancelled':
        return this.#options.programOfTurn(event.turnId);
      case 'turnSubmitted':
      case 'toolCallStarted':
      case 'toolCallFinished':
      case 'pinChanged':
      case 'programEnded':
        return event.programId;
      default:
        // Engines and timers change pins only through the events above.
        return undefined;
    }
  }
}

/** Pure. How the pin ended, by the event after which it was no longer there. */
const outcomeOf = (event: KernelEvent, pin: PinEntry, now: Instant): DecisionOutcome => {
  if (event.type === 'turnFinished') return event.cachedTokens > 0 ? 'hit' : 'lost';
  if (event.type === 'pinChanged' && event.change !== 'set' && event.change !== 'renewed') return event.change;
  return pin.expiresAt <= now ? 'expired' : 'released';
};
