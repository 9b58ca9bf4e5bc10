/**
 * Random numbers of a simulation: one seed, and a stream of its own for each purpose. A stream depends on the seed and
 * its name alone, so a new stream, or more draws from one, shifts no other.
 */
export class RandomStreams {
  private readonly streams = new Map<string, RandomStream>();

  constructor(
    /** Any text or number; equal seeds give equal streams. */
    readonly seed: string | number,
  ) {}

  /** Modifies state: the stream of that name, always the same object, created at its first use. */
  stream(name: string): RandomStream {
    let stream = this.streams.get(name);
    if (stream === undefined) {
      stream = new RandomStream(`${this.seed}/${name}`);
      this.streams.set(name, stream);
    }
    return stream;
  }
}

/** Draws that a stream discards at the start, so that similar names lead to unrelated numbers. */
const WARM_UP_DRAWS = 16;

/**
 * One stream: the sfc32 generator of PractRand (128 bits of state, a counter among them, so no period is below 2^32).
 * Seeded by four hashes of its name. For simulations, not for secrets.
 */
export class RandomStream {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;
  /** The second of a pair of normal draws. */
  private spareNormal: number | undefined = undefined;

  constructor(seed: string) {
    this.a = hashText(seed, 0x9e37_79b9);
    this.b = hashText(seed, 0x243f_6a88);
    this.c = hashText(seed, 0xb7e1_5162);
    for (let draw = 0; draw < WARM_UP_DRAWS; draw += 1) this.bits();
  }

  /** Modifies state. An integer, uniform over 0 to 2^32 - 1. */
  bits(): number {
    const result = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** Modifies state. Uniform over [low, high), by default [0, 1), with 53 bits. */
  uniform(low = 0, high = 1): number {
    const fraction = ((this.bits() >>> 5) * 0x400_0000 + (this.bits() >>> 6)) / 2 ** 53;
    return low + fraction * (high - low);
  }

  /** Modifies state. An integer, uniform over low to high, both included. Throws a RangeError for an empty range. */
  integer(low: number, high: number): number {
    if (!(Number.isSafeInteger(low) && Number.isSafeInteger(high) && low <= high)) {
      throw new RangeError(`integer range is ${low} to ${high}; allowed are integers with low <= high`);
    }
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** Modifies state. Exponential with this mean, at least 0. Throws a RangeError for a negative mean. */
  exponential(mean: number): number {
    if (!(mean >= 0)) throw new RangeError(`mean is ${mean}; allowed is a number from 0`);
    return -mean * Math.log(1 - this.uniform());
  }

  /** Modifies state. Standard normal (Box and Muller's transform, polar form). */
  normal(): number {
    const spare = this.spareNormal;
    if (spare !== undefined) {
      this.spareNormal = undefined;
      return spare;
    }
    for (;;) {
      const x = this.uniform(-1, 1);
      const y = this.uniform(-1, 1);
      const square = x * x + y * y;
      if (square === 0 || square >= 1) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      this.spareNormal = y * scale;
      return x * scale;
    }
  }

  /**
   * Modifies state. Lognormal: `exp(mu + sigma*z)`, so its median is `exp(mu)`. Throws a RangeError for a negative sigma.
   */
  lognormal(mu: number, sigma: number): number {
    if (!(sigma >= 0)) throw new RangeError(`sigma is ${sigma}; allowed is a number from 0`);
    return Math.exp(mu + sigma * this.normal());
  }
}

/** Pure. 32-bit FNV-1a over UTF-16 code units with a chosen offset, then mixed so that every bit counts. */
const hashText = (text: string, offset: number): number => {
  let hash = offset | 0;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
};
