/** A claim on a budget of tokens. */
export interface BudgetClaim {
  readonly lengthTokens: number;
  /** Relative need of a token of it, from 0. */
  readonly weight: number;
}

/**
 * Pure. Splits a number of tokens over chunks in proportion to length times weight; what a chunk cannot take goes to the
 * others. Claims without weight get something only when every claim with weight is full. The sum is exact:
 * min(budget, all tokens). Rounding goes to the largest remainders, first claims first.
 */
export const splitBudget = (budgetTokens: number, claims: readonly BudgetClaim[]): readonly number[] => {
  const total = claims.reduce((sum, { lengthTokens }) => sum + lengthTokens, 0);
  const budget = Math.min(total, Math.max(0, Math.floor(budgetTokens)));
  const shares = claims.map(() => 0);
  const left = fill(shares, claims, budget);
  if (left > 1e-9) fill(shares, evenly(claims, shares), left);
  return roundToSum(shares, claims, budget);
};

/** Claims of what is still free, all of one weight. */
const evenly = (claims: readonly BudgetClaim[], shares: readonly number[]): readonly BudgetClaim[] =>
  claims.map(({ lengthTokens }, index) => ({ lengthTokens, weight: shares[index]! < lengthTokens ? 1 : 0 }));

/** Modifies `shares`; returns what nobody with weight could take. Every round fills a claim or ends. */
const fill = (shares: number[], claims: readonly BudgetClaim[], budget: number): number => {
  let left = budget;
  for (let round = 0; round <= claims.length && left > 1e-9; round += 1) {
    const open = claims.map(({ lengthTokens, weight }, index) =>
      shares[index]! < lengthTokens - 1e-9 ? lengthTokens * weight : 0,
    );
    const sum = open.reduce((total, need) => total + need, 0);
    if (sum <= 0) break;
    const spread = left;
    for (const [index, need] of open.entries()) {
      const added = Math.min(claims[index]!.lengthTokens - shares[index]!, spread * (need / sum));
      shares[index]! += added;
      left -= added;
    }
  }
  return left;
};

const roundToSum = (shares: readonly number[], claims: readonly BudgetClaim[], budget: number): readonly number[] => {
  const whole = shares.map((share) => Math.floor(share + 1e-9));
  let missing = budget - whole.reduce((sum, tokens) => sum + tokens, 0);
  const byRemainder = shares
    .map((share, index) => ({ index, remainder: share - whole[index]! }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (let round = 0; missing > 0; round += 1) {
    const { index } = byRemainder[round % byRemainder.length]!;
    if (whole[index]! >= claims[index]!.lengthTokens) continue;
    whole[index]! += 1;
    missing -= 1;
  }
  return whole;
};
