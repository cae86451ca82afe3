/** The least power of two that is not below a positive number; exact up to 2 ** 32. */
export function powerOfTwoFrom(low: number): number {
  return 2 ** Math.ceil(Math.log2(low));
}
