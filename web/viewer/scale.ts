/** Round numbers for an axis that begins at 0: its upper and lower end, and the step between two marks. */
export interface RoundScale {
  readonly low: number;
  readonly high: number;
  readonly step: number;
}

const STEPS_MAX = 4;

/**
 * @param isBinary - of bytes: steps are powers of two.
 * @param isWhole - of counts: no step is a fraction.
 */
export function roundScale(least: number, most: number, isBinary: boolean, isWhole: boolean): RoundScale {
  const span = Math.max(most, -least, 0) || 1;
  let step = isBinary ? 2 ** Math.ceil(Math.log2(span / STEPS_MAX)) : decimalStep(span / STEPS_MAX);
  if (isBinary || isWhole) step = Math.max(1, step);
  return {
    low: Math.floor(Math.min(0, least) / step) * step,
    high: Math.max(1, Math.ceil(most / step)) * step,
    step,
  };
}

/** 1, 2 or 5 times a power of ten, at least so much. */
function decimalStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((factor) => factor * power >= least * 0.999) ?? 10) * power;
}

/** The marks from the lower end to the upper. */
export function marksOf({ low, high, step }: RoundScale): number[] {
  const count = Math.round((high - low) / step);
  return Array.from({ length: count + 1 }, (_, i) => Number((low + i * step).toPrecision(12)));
}
