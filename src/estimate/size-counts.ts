import type { CodecEstimate } from "./types.ts";

/** How many compressed units there are of each size, by size; `[0]`: of those that do not get smaller. */
export type SizeCounts = Float64Array;

/** What compressed sizes are like, as an estimate says it of a codec. */
export type SizeFigures = Pick<
  CodecEstimate,
  "incompressible" | "compressible" | "compressedBytes" | "sizes" | "histogram"
>;

/** Steps of a histogram; as many as a pool's page has chunks. */
const STEPS = 64;

export function sizeFigures(counts: SizeCounts): SizeFigures {
  const unit = counts.length;
  let compressible = 0;
  let compressedBytes = 0;
  const histogram = new Array<number>(STEPS).fill(0);
  for (let size = 1; size < unit; size++) {
    const count = counts[size];
    if (count === 0) continue;
    compressible += count;
    compressedBytes += count * size;
    histogram[Math.ceil((size * STEPS) / unit) - 1] += count;
  }
  const sizes = compressible === 0 ? null : quantiles(counts, compressible);
  return { incompressible: counts[0], compressible, compressedBytes, sizes, histogram };
}

function quantiles(counts: SizeCounts, compressible: number): NonNullable<SizeFigures["sizes"]> {
  const at = (share: number): number => {
    let rank = Math.max(1, Math.ceil(share * compressible));
    for (let size = 1; size < counts.length; size++) {
      rank -= counts[size];
      if (rank <= 0) return size;
    }
    return counts.length;
  };
  return { min: at(0), p10: at(0.1), p50: at(0.5), p90: at(0.9), max: at(1) };
}
