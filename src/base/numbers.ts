/** The least power of two that is `value` or more: 4096 for 3000, and 1 for anything up to 1. Exact to 2^52. */
export function powerOfTwoAtLeast(value: number): number {
  if (value <= 1) return 1;
  const power = 2 ** Math.ceil(Math.log2(value));
  // The logarithm of a large number may be rounded down to a whole one.
  return power < value ? 2 * power : power;
}
