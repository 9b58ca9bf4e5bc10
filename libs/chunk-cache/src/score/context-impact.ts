/**
 * `sigmoid` is Cache-Craft's Eq. 11 and lies in [0.5, 1), since the ratio is never negative; `ratio` is a / (a + b) and
 * uses all of [0, 1).
 */
export type ImpactForm = 'sigmoid' | 'ratio';

/** The largest number below 1: rounding must not carry an impact to a bound that it never reaches. */
const BELOW_ONE = 1 - Number.EPSILON / 2;

/**
 * Pure. CCI: how much a chunk's KV depends on what preceded it.
 *
 * @param density - mean densities of Eq. 10; throws a RangeError unless finite and not negative.
 */
export const contextImpact = (
  { inter, intra }: { readonly inter: number; readonly intra: number },
  form: ImpactForm,
): number => {
  for (const [name, value] of Object.entries({ inter, intra })) {
    if (!(value >= 0 && value < Infinity)) {
      throw new RangeError(`${name} density is ${value}; allowed is a finite number from 0`);
    }
  }
  if (inter === 0) return form === 'sigmoid' ? 0.5 : 0;
  const impact = form === 'sigmoid' ? 1 / (1 + Math.exp(-inter / intra)) : inter / (inter + intra);
  return Math.min(impact, BELOW_ONE);
};
