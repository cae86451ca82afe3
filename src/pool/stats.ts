import type { PoolStats } from "./types.ts";

/** Buckets of the size histogram. */
export const SIZE_STEPS = 64;

/** What a driver counts itself; the rest of its stats follows from these. */
export type CountedStats = Omit<PoolStats, "density" | "utilisation">;

/** The bucket of an object's size: `i` with `size` in `(i, i + 1] * pageSize / 64`. */
export function sizeStepOf(size: number, pageSize: number): number {
  return Math.ceil((size * SIZE_STEPS) / pageSize) - 1;
}

/** Completes a driver's counts with the figures that every driver derives alike. */
export function completeStats(counted: CountedStats): PoolStats {
  return {
    ...counted,
    density: counted.pages === 0 ? 0 : counted.objects / counted.pages,
    utilisation: counted.pageBytes === 0 ? 0 : counted.objectBytes / counted.pageBytes,
  };
}
