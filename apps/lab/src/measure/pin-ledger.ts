import type { Instant } from '@holdfast/scheduling';
import type { ModelPinEvent } from '@holdfast/simulation';

/** How a pin ended; `open` ones live when the run ends. */
export type PinOutcome = 'hit' | 'expired' | 'revoked' | 'released' | 'open';

/** One pin, from set to end. */
export interface PinSpan {
  readonly programId: string;
  readonly engineId: string;
  readonly tokens: number;
  readonly setAt: Instant;
  readonly endedAt: Instant;
  readonly outcome: PinOutcome;
}

interface LivePin {
  readonly programId: string;
  readonly engineId: string;
  readonly tokens: number;
  readonly setAt: Instant;
}

const OUTCOMES = ['hit', 'expired', 'revoked', 'released', 'open'] as const;

/** Follows pins from the events of the engines. A pin set anew over the same blocks goes on. */
export class PinLedger {
  readonly counts: Record<PinOutcome, number> = { hit: 0, expired: 0, revoked: 0, released: 0, open: 0 };
  usedTokenSeconds = 0;
  wastedTokenSeconds = 0;
  readonly #live = new Map<string, LivePin>();

  constructor(private readonly onEnd?: (span: PinSpan) => void) {}

  /** Pure. */
  get set(): number {
    return this.#live.size + OUTCOMES.reduce((sum, outcome) => sum + this.counts[outcome], 0);
  }

  /** Modifies state. */
  take(engineId: string, { change, pin }: ModelPinEvent, now: Instant): void {
    const key = `${engineId}/${pin.programId}`;
    if (change === 'set') {
      if (this.#live.has(key)) return;
      this.#live.set(key, { programId: pin.programId, engineId, tokens: pin.tokens, setAt: now });
    } else if (change !== 'renewed') {
      this.#end(key, now, change);
    }
  }

  /** Modifies state. The run is over. */
  close(now: Instant): void {
    for (const key of [...this.#live.keys()]) this.#end(key, now, 'open');
  }

  #end(key: string, now: Instant, outcome: PinOutcome): void {
    const live = this.#live.get(key);
    if (live === undefined) return;
    this.#live.delete(key);
    this.counts[outcome] += 1;
    const tokenSeconds = (live.tokens * (now - live.setAt)) / 1e6;
    if (outcome === 'hit') this.usedTokenSeconds += tokenSeconds;
    else this.wastedTokenSeconds += tokenSeconds;
    this.onEnd?.({ ...live, endedAt: now, outcome });
  }
}
