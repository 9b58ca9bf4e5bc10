import { after, between, micros, type Instant } from '@holdfast/scheduling';
import type { StepBatch, StepTimeCoefficients } from '../profiles/step-time.js';
import { picosOfSteps, stepsUntil, type DecodeSegment } from './decode-clock.js';

const PICOS_PER_MICRO = 1_000_000;

/** Pure. Coefficients in whole picoseconds, except the one of pairs, whose product is rounded. */
const toPicos = (micro: number): number => Math.round(micro * PICOS_PER_MICRO);

/** Steps that are to run without anything in between: one of any kind, or many that only decode. */
export interface StepPlan {
  readonly batch: StepBatch;
  readonly steps: number;
}

/**
 * When steps end. Lengths are whole picoseconds, ends whole microseconds; what a microsecond cuts off is carried into
 * the next step while steps follow each other without a pause.
 */
export class StepTimer {
  readonly #coefficients: StepTimeCoefficients;
  readonly #reloadPicosPerToken: number;
  #segment: DecodeSegment = { first: 0, slope: 0 };
  #steps = 0;
  #startedAt: Instant | null = null;
  /** Picoseconds after `#startedAt` at which the steps began. */
  #carry = 0;
  #lastEnd: Instant | null = null;
  #lastCarry = 0;

  constructor(stepTime: StepTimeCoefficients, reloadMicrosPerToken = 0) {
    this.#reloadPicosPerToken = toPicos(reloadMicrosPerToken);
    this.#coefficients = {
      baseMicros: toPicos(stepTime.baseMicros),
      perPrefillTokenMicros: toPicos(stepTime.perPrefillTokenMicros),
      perDecodeSequenceMicros: toPicos(stepTime.perDecodeSequenceMicros),
      perContextTokenMicros: toPicos(stepTime.perContextTokenMicros),
      perPrefillPairMicros: stepTime.perPrefillPairMicros * PICOS_PER_MICRO,
    };
  }

  /** Pure. Null when nothing is under way. */
  get endsAt(): Instant | null {
    return this.#startedAt === null ? null : this.#endOf(this.#startedAt, this.#steps);
  }

  /** Pure. Steps under way. */
  get stepsUnderWay(): number {
    return this.#startedAt === null ? 0 : this.#steps;
  }

  /** Modifies state. Returns when the steps end. */
  start({ batch, steps }: StepPlan, now: Instant): Instant {
    const { baseMicros, perPrefillTokenMicros, perDecodeSequenceMicros, perContextTokenMicros, perPrefillPairMicros } =
      this.#coefficients;
    const first =
      baseMicros +
      perPrefillTokenMicros * batch.prefillTokens +
      perDecodeSequenceMicros * batch.decodeSequences +
      perContextTokenMicros * batch.decodeContextTokens +
      Math.round(perPrefillPairMicros * batch.prefillPairs);
    this.#segment = {
      // Layer by layer, computing waits for the transfer or the transfer for computing: the longer one counts.
      first: Math.max(PICOS_PER_MICRO, first, this.#reloadPicosPerToken * (batch.reloadTokens ?? 0)),
      slope: perContextTokenMicros * batch.decodeSequences,
    };
    this.#steps = steps;
    this.#startedAt = now;
    this.#carry = now === this.#lastEnd ? this.#lastCarry : 0;
    return this.#endOf(now, steps);
  }

  /** Modifies state. Only the steps that have begun by `now` are to end; returns how many, null when none is under way. */
  truncate(now: Instant): number | null {
    if (this.#startedAt === null) return null;
    if (this.#steps === 1) return 1;
    const elapsed = between(this.#startedAt, now) * PICOS_PER_MICRO - this.#carry;
    const begun = Math.max(1, stepsUntil(this.#segment, elapsed, this.#steps));
    this.#steps = begun;
    return begun;
  }

  /** Modifies state. Ends what is under way; returns the number of steps. */
  finish(): number {
    const startedAt = this.#startedAt as Instant;
    const picos = this.#carry + picosOfSteps(this.#segment, this.#steps);
    this.#lastEnd = this.#endOf(startedAt, this.#steps);
    this.#lastCarry = picos - between(startedAt, this.#lastEnd) * PICOS_PER_MICRO;
    this.#startedAt = null;
    return this.#steps;
  }

  #endOf(startedAt: Instant, steps: number): Instant {
    const picos = this.#carry + picosOfSteps(this.#segment, steps);
    return after(startedAt, micros(Math.floor(picos / PICOS_PER_MICRO)));
  }
}
