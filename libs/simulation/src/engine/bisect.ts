/** Pure. The smallest index in [0, length] from which on `holds` is false; `holds` must be true before it throughout. */
export const prefixLength = (length: number, holds: (index: number) => boolean): number => {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
};
