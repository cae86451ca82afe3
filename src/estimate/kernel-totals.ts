import type { CompressedUnits } from "./compress.ts";
import type { KernelCodec } from "./kernel-codecs.ts";
import { isBefore, type KernelMachine, takesParameters } from "./kernel-machine.ts";
import { codecText, hasParameters, nameOf } from "./kernel-names.ts";
import { KERNEL_PAGE, type KernelZsmalloc, zbudBytesOf } from "./kernel-pages.ts";
import type { KernelCodecEstimate, RecompressionEstimate } from "./kernel-types.ts";
import type { UnitScan } from "./scan.ts";
import { type SizeCounts, sizeFigures } from "./size-counts.ts";
import { medianOf } from "./totals.ts";

/** Before this the list of zram's algorithms need not be complete, as its documentation says. */
const LISTS_ALL = { major: 6, minor: 12 };
/** A second algorithm that frees less than this is none. */
const RECOMPRESSION_SHARE = 0.97;

/** Fewer pages than this are decompressed too seldom for a time that says something. */
const TIMED_PAGES_MIN = 16;

/** The sample that figures are of, and by how much they are to be scaled. */
interface Sampled {
  pages: number;
  samePages: number;
  scale: number;
}

/** Adds up the figures of one way to compress over the batches. */
export class KernelTotals {
  readonly codec: KernelCodec;
  readonly text: string;
  /** Pages compressed so far. */
  measured = 0;
  /** Their sizes in the order of the input, 0 for those that do not get smaller; only where all pages are measured. */
  readonly sizes: number[] = [];
  readonly #counts: SizeCounts = new Float64Array(KERNEL_PAGE);
  readonly #without: ReadonlySet<number>;
  readonly #compressNs: number[] = [];
  readonly #decompressNs: number[] = [];

  /** @param without - pages of the first batch, by offset, not to be tried: a dictionary was made of them. */
  constructor(codec: KernelCodec, without: ReadonlySet<number> = new Set()) {
    this.codec = codec;
    this.text = codecText(nameOf(codec));
    this.#without = without;
  }

  /** Whether it was given every page. */
  get isWhole(): boolean {
    return this.#without.size === 0 && this.codec.maxPages === Number.POSITIVE_INFINITY;
  }

  /** The pages of a batch to compress with it: the scan itself, or a view of a part of it. */
  choose(scan: UnitScan): ScanPart {
    const left = this.codec.maxPages - this.measured;
    let offsets = scan.offsets.subarray(0, scan.count);
    if (this.measured === 0 && this.#without.size > 0) {
      offsets = offsets.filter((offset) => !this.#without.has(offset));
    }
    if (offsets.length > left) {
      const step = offsets.length / Math.max(1, left);
      offsets = Uint32Array.from({ length: Math.max(0, left) }, (_, i) => offsets[Math.floor(i * step)]);
    }
    return new ScanPart(scan.unit, offsets);
  }

  add(units: CompressedUnits): void {
    for (const unit of units.units) {
      const size = unit?.length ?? 0;
      this.#counts[size] += 1;
      this.measured += 1;
      if (this.isWhole) this.sizes.push(size);
    }
    this.#compressNs.push(...units.compressNs);
    this.#decompressNs.push(...units.decompressNs);
  }

  estimate(zsmalloc: KernelZsmalloc, machine: KernelMachine, sampled: Sampled): KernelCodecEstimate {
    const { codec, measured } = this;
    const { pages, samePages } = sampled;
    const scale = measured === 0 ? 0 : ((pages - samePages) / measured) * sampled.scale;
    const counts = this.#counts;
    let compressedBytes = zsmalloc.hugeOf(counts) * KERNEL_PAGE;
    for (let size = 1; size <= zsmalloc.hugeAbove; size++) compressedBytes += counts[size] * size;
    const heldBytes = Math.round(zsmalloc.bytesOf(counts) * scale);
    const { incompressible, sizes, histogram } = sizeFigures(counts);
    const zbudBytes = codec.inZswap && measured > 0 ? Math.round(zbudBytesOf(counts) * scale) : null;
    return {
      ...nameOf(codec),
      inZswap: codec.inZswap,
      measuredPages: measured,
      incompressible,
      sizes,
      histogram,
      compressedBytes: Math.round(compressedBytes * scale),
      hugePages: Math.round(zsmalloc.hugeOf(counts) * scale),
      heldBytes,
      partialBytes: zsmalloc.partialBytesOf(counts),
      ratio: heldBytes === 0 ? null : (pages * KERNEL_PAGE * sampled.scale) / heldBytes,
      zbudBytes,
      compressNs: codec.timed ? medianOf(this.#compressNs) : null,
      decompressNs: measured - incompressible < TIMED_PAGES_MIN ? null : medianOf(this.#decompressNs),
      ...whereOf(codec.algorithm, machine),
    };
  }
}

/** Pages of a scan as a scan: what is needed of one to compress it. */
export class ScanPart {
  readonly unit: number;
  readonly offsets: Uint32Array;
  readonly count: number;
  readonly units: number;

  constructor(unit: number, offsets: Uint32Array) {
    this.unit = unit;
    this.offsets = offsets;
    this.count = offsets.length;
    this.units = offsets.length;
  }

  /** All is known from the start. */
  next(): boolean {
    return false;
  }
}

/** Whether this machine has an algorithm: from zram's list, and from what the kernel was built with. */
function whereOf(
  algorithm: string,
  { zrams, config, release }: KernelMachine,
): Pick<KernelCodecEstimate, "inThisZram" | "inThisZswap"> {
  const lists = zrams.map(({ algorithms }) => algorithms).filter((list) => list.length > 0);
  const listed = lists.some((list) => list.includes(algorithm));
  const complete = lists.length > 0 && !isBefore(release, LISTS_ALL.major, LISTS_ALL.minor);
  const built = config?.[`CONFIG_CRYPTO_${algorithm.toUpperCase()}`] !== undefined;
  return {
    inThisZram: listed ? true : complete ? false : null,
    inThisZswap: config === null ? null : built,
  };
}

/**
 * The quickest way first, and for pages that nobody uses the one that takes least: each page stays as it is unless it
 * gets into a smaller size class, as zram does it.
 */
export function recompressionOf(
  totals: readonly KernelTotals[],
  codecs: readonly KernelCodecEstimate[],
  zsmalloc: KernelZsmalloc,
  scale: number,
  machine: KernelMachine,
): RecompressionEstimate | null {
  const usable = totals.filter(({ isWhole, measured, codec }) => {
    if (hasParameters(codec) && !takesParameters(machine)) return false;
    const of = codecs.find((each) => each.algorithm === codec.algorithm && each.level === codec.level);
    return isWhole && measured > 0 && of?.inThisZram !== false && codec.timed;
  });
  const [first] = usable;
  if (first === undefined) return null;
  const firstBytes = bytesOf(first, first, zsmalloc, scale).bytes;
  let best: { second: KernelTotals; bytes: number; pages: number } | null = null;
  for (const second of usable) {
    if (second.codec.algorithm === first.codec.algorithm) continue;
    const both = bytesOf(first, second, zsmalloc, scale);
    // Of levels that do not differ by 1 % the lowest, which comes first.
    if (best === null || both.bytes < best.bytes * 0.99) best = { second, ...both };
  }
  if (best === null || best.bytes > firstBytes * RECOMPRESSION_SHARE) return null;
  return {
    first: nameOf(first.codec),
    second: nameOf(best.second.codec),
    firstBytes,
    bothBytes: best.bytes,
    pages: Math.round(best.pages * scale),
  };
}

function bytesOf(
  first: KernelTotals,
  second: KernelTotals,
  zsmalloc: KernelZsmalloc,
  scale: number,
): { bytes: number; pages: number } {
  const counts: SizeCounts = new Float64Array(KERNEL_PAGE);
  let pages = 0;
  for (let i = 0; i < first.sizes.length; i++) {
    const isSmaller = zsmalloc.bytesFor(second.sizes[i]) < zsmalloc.bytesFor(first.sizes[i]);
    if (isSmaller) pages += 1;
    counts[(isSmaller ? second : first).sizes[i]] += 1;
  }
  return { bytes: Math.round(zsmalloc.bytesOf(counts) * scale), pages };
}
