import { type PinTerms, type ProgramId, after, between, toMillisCeil } from '@holdfast/scheduling';
import type { CancelTimer, Clock } from '@holdfast/platform';
import type { Instant } from '@holdfast/scheduling';
import type { HeldPin, WatchEvent } from '../engine-client.js';
import type { FakeKvPool } from './fake-kv-pool.js';

type PinEvent = Extract<WatchEvent, { type: 'pin' }>;
type Change = PinEvent['change'];

interface LivePin {
  readonly keys: readonly string[];
  readonly soft: boolean;
  value: number;
  expiresAt: Instant;
  cancelTimer: CancelTimer;
}

/** Options of {@link FakePins}. */
export interface FakePinsOptions {
  readonly clock: Clock;
  readonly blockTokens: number;
  readonly pool: () => FakeKvPool;
  readonly onChange: (change: Change, pin: HeldPin, reason?: PinEvent['reason']) => void;
}

/** The live pins of the fake engine, at most one a program. Each change is told once, in order. */
export class FakePins {
  private readonly live = new Map<ProgramId, LivePin>();

  constructor(private readonly options: FakePinsOptions) {}

  /** Replaces a pin that is there. Modifies state. */
  set(programId: ProgramId, keys: readonly string[], terms: PinTerms): HeldPin {
    this.lift(programId);
    const pin: LivePin = { keys, soft: terms.soft, ...this.timed(programId, terms), value: valueOf(terms) };
    this.live.set(programId, pin);
    this.options.pool().pin(keys, kindOf(pin), 1);
    return this.tell('set', programId, pin);
  }

  /** Undefined when there is no pin. Modifies state. */
  renew(programId: ProgramId, terms: PinTerms): HeldPin | undefined {
    const pin = this.live.get(programId);
    if (pin === undefined) return undefined;
    pin.cancelTimer();
    Object.assign(pin, this.timed(programId, terms), { value: valueOf(terms) });
    return this.tell('renewed', programId, pin);
  }

  /** Takes the pin away for the reason given; false when there was none. Modifies state. */
  end(programId: ProgramId, change: Exclude<Change, 'set' | 'renewed'>, reason?: PinEvent['reason']): boolean {
    const pin = this.lift(programId);
    if (pin !== undefined) this.tell(change, programId, pin, reason);
    return pin !== undefined;
  }

  /** Revokes the hard pin of lowest value, ties by program id; false when there is none. Modifies state. */
  revokeLowest(): boolean {
    const hard = [...this.live].filter(([, pin]) => !pin.soft);
    const [lowest] = hard.sort(([idA, a], [idB, b]) => compare(a.value, b.value) || (idA < idB ? -1 : 1));
    return lowest !== undefined && this.end(lowest[0], 'revoked', 'growth');
  }

  list(): HeldPin[] {
    return [...this.live].map(([programId, pin]) => this.held(programId, pin));
  }

  /** Forgets every pin without a word, as a restart does. Modifies state. */
  clear(): void {
    for (const pin of this.live.values()) pin.cancelTimer();
    this.live.clear();
  }

  private lift(programId: ProgramId): LivePin | undefined {
    const pin = this.live.get(programId);
    if (pin === undefined) return undefined;
    pin.cancelTimer();
    this.live.delete(programId);
    this.options.pool().pin(pin.keys, kindOf(pin), -1);
    return pin;
  }

  private timed(programId: ProgramId, terms: PinTerms): Pick<LivePin, 'expiresAt' | 'cancelTimer'> {
    const expiresAt = after(this.options.clock.now(), terms.ttl);
    return { expiresAt, cancelTimer: this.options.clock.schedule(expiresAt, () => this.end(programId, 'expired')) };
  }

  private tell(change: Change, programId: ProgramId, pin: LivePin, reason?: PinEvent['reason']): HeldPin {
    const held = this.held(programId, pin);
    this.options.onChange(change, held, reason);
    return held;
  }

  private held(programId: ProgramId, pin: LivePin): HeldPin {
    return {
      programId,
      pinnedBlocks: pin.keys.length,
      pinnedTokens: pin.keys.length * this.options.blockTokens,
      expiresInMs: Math.max(0, toMillisCeil(between(this.options.clock.now(), pin.expiresAt))),
    };
  }
}

const kindOf = (pin: LivePin): 'hardPins' | 'softPins' => (pin.soft ? 'softPins' : 'hardPins');

const valueOf = (terms: PinTerms): number => terms.value ?? Number.POSITIVE_INFINITY;

/** Two infinite values are equal; their difference is no number. */
const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);
