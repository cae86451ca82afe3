import type { Prng } from "../src/base/index.ts";

/** Numbers from 0 on, the k-th as often as `(k + 1) ** -skew`. */
export function zipf(count: number, skew: number): (prng: Prng) => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let k = 0; k < count; k++) {
    sum += (k + 1) ** -skew;
    sums[k] = sum;
  }
  return (prng) => {
    const at = (prng.uint32() / 2 ** 32) * sum;
    let low = 0;
    for (let high = count - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (sums[middle] > at) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
