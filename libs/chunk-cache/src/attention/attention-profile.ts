/**
 * Attention weights of one layer, heads averaged: a square matrix, row by row, `weights[k * tokens + t]` from token k to
 * token t.
 */
export interface AttentionLayer {
  readonly tokens: number;
  readonly weights: ArrayLike<number>;
}

/** Positions of a part of the prompt: `start` is in it, `end` is not. */
export interface TokenSpan {
  readonly start: number;
  readonly end: number;
}

/** How attention is turned into densities. */
export interface DensityForm {
  /** `square` divides intra by len^2, as Cache-Craft's Eq. 9; `causal` by the entries that can be non-zero. */
  readonly area: 'square' | 'causal';
  /** `excluded` leaves the part at position 0, which absorbs attention whatever it says, out of a. */
  readonly sink: 'included' | 'excluded';
}

/** What attention says of one part of a prompt. Sums over heads' means, means over layers. */
export interface AttentionProfile {
  /** Eq. 3: mass to each earlier part, in the order of the prompt. */
  readonly inter: readonly number[];
  /** Eq. 4. */
  readonly intra: number;
  /** Eq. 10: mean density to earlier parts. */
  readonly meanInterDensity: number;
  /** Eq. 10: mean density inside. */
  readonly meanIntraDensity: number;
  /** Eq. 14: for each token, its mass to all earlier parts. */
  readonly tokenInter: readonly number[];
}

/**
 * Pure. Statistics of a prompt's parts (Cache-Craft, arXiv 2502.15734, Eq. 3, 4, 9, 10 and 14).
 *
 * @param layers - one or more; throws a RangeError for none, or for parts that lie outside or overlap.
 * @param spans - parts in prompt order. Tokens outside of them count for nothing.
 */
export const attentionProfiles = (
  layers: readonly AttentionLayer[],
  spans: readonly TokenSpan[],
  form: DensityForm,
): readonly AttentionProfile[] => {
  if (layers.length === 0) throw new RangeError('layers is empty; allowed is at least one');
  checkSpans(spans, Math.min(...layers.map(({ tokens }) => tokens)));
  return spans.map((span, index) => profileOf(layers, { span, earlier: spans.slice(0, index) }, form));
};

const checkSpans = (spans: readonly TokenSpan[], tokens: number): void => {
  let from = 0;
  for (const [index, { start, end }] of spans.entries()) {
    if (start < from || end <= start || end > tokens) {
      throw new RangeError(`span ${index} is [${start}, ${end}); allowed is a non-empty one in [${from}, ${tokens}]`);
    }
    from = end;
  }
};

const profileOf = (
  layers: readonly AttentionLayer[],
  { span, earlier }: { readonly span: TokenSpan; readonly earlier: readonly TokenSpan[] },
  form: DensityForm,
): AttentionProfile => {
  const length = span.end - span.start;
  const inter = earlier.map(() => 0);
  const tokenInter = new Array<number>(length).fill(0);
  let intra = 0;
  for (const { tokens, weights } of layers) {
    for (let query = span.start; query < span.end; query += 1) {
      const row = query * tokens;
      for (const [index, other] of earlier.entries()) {
        const mass = rowMass(weights, row + other.start, row + other.end) / layers.length;
        inter[index]! += mass;
        tokenInter[query - span.start]! += mass;
      }
      intra += rowMass(weights, row + span.start, row + query + 1) / layers.length;
    }
  }
  const area = form.area === 'square' ? length * length : (length * (length + 1)) / 2;
  return {
    inter,
    intra,
    tokenInter,
    meanIntraDensity: intra / area,
    meanInterDensity: interDensity({ inter, earlier, length }, form),
  };
};

const rowMass = (weights: ArrayLike<number>, from: number, to: number): number => {
  let mass = 0;
  for (let index = from; index < to; index += 1) mass += weights[index]!;
  return mass;
};

const interDensity = (
  part: { readonly inter: readonly number[]; readonly earlier: readonly TokenSpan[]; readonly length: number },
  { sink }: DensityForm,
): number =>
  part.earlier.reduce((sum, { start, end }, index) => {
    if (sink === 'excluded' && start === 0) return sum;
    return sum + part.inter[index]! / (part.length * (end - start));
  }, 0);
