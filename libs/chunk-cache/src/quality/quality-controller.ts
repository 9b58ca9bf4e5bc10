import { LossWindow } from './loss-window.js';

/** Rules of a {@link QualityController}. */
export interface QualityRules {
  /** Mean KL divergence from a full recompute that is accepted, nats a token. */
  readonly lossBound: number;
  /** Turns that may be compared with a full recompute, of all turns that reuse. */
  readonly mostShadowShare: number;
  /** Recompute shares, ascending; the last one means that nothing is reused. */
  readonly shares: readonly number[];
  /** Share to start with, one of `shares`. */
  readonly firstShare: number;
}

/**
 * A bound of 0.04 nats is half of what reordering the chunks of a prompt does to a small model. There is a share between
 * 0.7 and no reuse: where 0.7 is too little, a stream would otherwise change between both, and be measured at 0.7 only.
 */
export const defaultQualityRules: QualityRules = {
  lossBound: 0.04,
  mostShadowShare: 0.05,
  shares: [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.85, 1],
  firstShare: 0.3,
};

/** What a turn is to do. */
export interface QualityDecision {
  readonly recomputeShare: number;
  /** Compare the answer with a full recompute. */
  readonly isShadowed: boolean;
  /** Why this share, for the record. */
  readonly reason: string;
}

/** Of the bound: above it the share rises, so that the mean stays below the bound while the stream gets worse. */
const RAISE_ABOVE = 0.7;
/** Of the bound: below it, by its upper estimate, the share may fall. */
const LOWER_BELOW = 0.45;
/** A single loss of so many bounds raises at once. */
const ALARM_BOUNDS = 4;
/** Samples before a window says anything; an alarm does not wait. */
const LEAST_SAMPLES = 4;
/** Good samples in a row before the share is lowered, at first; doubles whenever a lower share proved too low. */
const FIRST_PATIENCE = 16;
const MOST_PATIENCE = 512;
/** Shadow runs that may be saved up, to learn fast after a change. */
const MOST_SAVED = 8;
/** Of the allowed shadow runs, what a quiet stream spends; the rest is saved for changes. */
const QUIET_SPENDING = 0.6;

/**
 * Holds the loss of reuse below a bound by measuring it: a sample of turns is computed in full too, and when the loss of
 * the sample comes near the bound, more tokens are recomputed from then on, down to no reuse at all. CFO does not predict
 * the damage to a request, so only such runs can tell.
 *
 * One instance for each stream whose losses are alike: a model, a tenant. Deterministic: chance comes in as a value.
 */
export class QualityController {
  readonly #rules: QualityRules;
  readonly #window = new LossWindow();
  #level: number;
  #patience = FIRST_PATIENCE;
  #goodSamples = 0;
  #hasLowered = false;
  #savedShadows = 0;
  #samplesSinceChange = 0;
  #quietTurnsLeft = 0;
  #isQuietSampleDue = false;
  #reason = 'share to start with';

  /** Throws a RangeError for rules that are no rules. */
  constructor(rules: QualityRules = defaultQualityRules) {
    this.#rules = rules;
    this.#level = rules.shares.indexOf(rules.firstShare);
    if (this.#level < 0)
      throw new RangeError(`firstShare is ${rules.firstShare}; allowed is one of ${rules.shares.join()}`);
    if (!(rules.lossBound > 0)) throw new RangeError(`lossBound is ${rules.lossBound}; allowed is a number above 0`);
    if (!(rules.mostShadowShare >= 0 && rules.mostShadowShare <= 1)) {
      throw new RangeError(`mostShadowShare is ${rules.mostShadowShare}; allowed is 0 to 1`);
    }
  }

  /** Share in force. */
  get recomputeShare(): number {
    return this.#rules.shares[this.#level]!;
  }

  /** Mean loss of the shadow runs at this share; null before the first. */
  get estimatedLoss(): number | null {
    return this.#window.size === 0 ? null : this.#window.mean;
  }

  /** Why the share is what it is. */
  get reason(): string {
    return this.#reason;
  }

  /** Modifies state. Decides for one turn that can reuse; `draw` is uniform in [0, 1). */
  decide(draw: number): QualityDecision {
    this.#savedShadows = Math.min(MOST_SAVED, this.#savedShadows + this.#rules.mostShadowShare);
    if (this.#level === this.#rules.shares.length - 1) return this.#rest();
    const isLearning = this.#samplesSinceChange < LEAST_SAMPLES;
    const isWanted = this.#isQuietSample(draw) || isLearning;
    // An allowance is spent only when it is whole, so the limit holds for every start of the stream.
    const isShadowed = isWanted && this.#savedShadows >= 1 - 1e-9;
    if (isShadowed) {
      this.#savedShadows -= 1;
      this.#isQuietSampleDue = false;
    }
    return { recomputeShare: this.recomputeShare, isShadowed, reason: this.#reason };
  }

  /**
   * Modifies state. A shadow run measured a loss at some share; one that is no longer in force says nothing. Throws a
   * RangeError for a loss that is not a number from 0.
   */
  observe({ loss, recomputeShare }: { readonly loss: number; readonly recomputeShare: number }): void {
    if (!(loss >= 0)) throw new RangeError(`loss is ${loss}; allowed is a number from 0`);
    if (recomputeShare !== this.recomputeShare) return;
    this.#window.add(loss);
    this.#samplesSinceChange += 1;
    const { lossBound } = this.#rules;
    if (loss > ALARM_BOUNDS * lossBound) return this.#raise(2, `a loss of ${print(loss)}`);
    if (this.#window.size < LEAST_SAMPLES) return;
    const { mean, upper, size } = this.#window;
    const what = `mean loss ${print(mean)} of ${size} shadow runs`;
    if (mean > RAISE_ABOVE * lossBound) return this.#raise(mean > lossBound ? 2 : 1, what);
    this.#goodSamples = upper < LOWER_BELOW * lossBound ? this.#goodSamples + 1 : 0;
    if (this.#goodSamples >= this.#patience) this.#lower(what);
  }

  /** One turn of each few, any of them: chance alone would leave gaps in which a stream gets worse unseen. */
  #isQuietSample(draw: number): boolean {
    if (this.#quietTurnsLeft <= 0) {
      this.#quietTurnsLeft = Math.max(1, Math.round(1 / (QUIET_SPENDING * this.#rules.mostShadowShare)));
      this.#isQuietSampleDue = true;
    }
    const isDrawn = this.#isQuietSampleDue && draw < 1 / this.#quietTurnsLeft;
    this.#quietTurnsLeft -= 1;
    return isDrawn;
  }

  /** Nothing is reused, so there is nothing to compare: what shadow runs would have cost in time passes as good samples. */
  #rest(): QualityDecision {
    const decision = { recomputeShare: this.recomputeShare, isShadowed: false, reason: this.#reason };
    if (this.#savedShadows < 1 - 1e-9) return decision;
    this.#savedShadows -= 1;
    this.#goodSamples += 1;
    if (this.#goodSamples >= this.#patience) this.#lower('a time without reuse is over');
    return decision;
  }

  #raise(levels: number, what: string): void {
    // A lower share was tried and was too low: the next try waits longer.
    if (this.#hasLowered) this.#patience = Math.min(MOST_PATIENCE, this.#patience * 2);
    this.#hasLowered = false;
    this.#moveTo(Math.min(this.#rules.shares.length - 1, this.#level + levels), what, 'raised');
  }

  #lower(what: string): void {
    if (this.#level === 0) return;
    this.#hasLowered = true;
    this.#moveTo(this.#level - 1, what, 'lowered');
  }

  #moveTo(level: number, what: string, verb: 'raised' | 'lowered'): void {
    const before = this.recomputeShare;
    this.#level = level;
    this.#window.clear();
    this.#goodSamples = 0;
    this.#samplesSinceChange = 0;
    this.#reason = `${verb} from ${before} to ${this.recomputeShare}: ${what}, bound ${this.#rules.lossBound}`;
  }
}

const print = (loss: number): string => loss.toPrecision(3);
