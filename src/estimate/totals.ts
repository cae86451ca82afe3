import { fitPageSize, fitPageSizes } from "../drivers/index.ts";
import type { PageSizeRange } from "../pool/index.ts";
import type { CompressedUnits } from "./compress.ts";
import { DedupIndex } from "./dedup-index.ts";
import type { Packed, PoolKind } from "./pack.ts";
import type { UnitScan } from "./scan.ts";
import { type SizeCounts, sizeFigures } from "./size-counts.ts";
import type { CodecEstimate, FitSummary, HalfFreed, PoolEstimate, UnitEstimate } from "./types.ts";

/** Sizes from which page sizes are chosen; more take longer and choose the same. */
const FIT_SIZES_MAX = 2048;

/** Adds up the figures of one unit size over the batches. */
export class UnitTotals {
  readonly unit: number;
  readonly codecs: CodecTotals[];
  readonly seen: DedupIndex = new DedupIndex();
  #units = 0;
  #paddingBytes = 0;
  #sameFilled = 0;
  #duplicates = 0;

  constructor(unit: number, codecs: readonly string[]) {
    this.unit = unit;
    this.codecs = codecs.map((codec) => new CodecTotals(codec, unit));
  }

  add(scan: UnitScan): void {
    this.#units += scan.units;
    this.#paddingBytes += scan.paddingBytes;
    this.#sameFilled += scan.sameFilled;
    this.#duplicates += scan.duplicates;
  }

  estimate(): UnitEstimate {
    const inputBytes = this.#units * this.unit - this.#paddingBytes;
    return {
      unit: this.unit,
      units: this.#units,
      paddingBytes: this.#paddingBytes,
      sameFilled: this.#sameFilled,
      duplicates: this.#duplicates,
      codecs: this.codecs.map((codec) => codec.estimate(inputBytes)),
    };
  }
}

/** Adds up the figures of one codec at one unit size. */
export class CodecTotals {
  readonly codec: string;
  readonly unit: number;
  readonly pools: PoolTotals[] = [];
  /** The page size for zbud, chosen from the first batch; null: not asked for, or there was nothing to choose from. */
  fit: FitSummary | null = null;
  /** Several page sizes side by side, chosen likewise; null also where one is as good. */
  pageSizes: PageSizeRange[] | null = null;
  /** Drivers whose fit was chosen. */
  readonly #fitted = new Set<string>();
  /** Whether the codec has run before, so that its times are worth taking. */
  warm = false;
  readonly #counts: SizeCounts;
  readonly #compressNs: number[] = [];
  readonly #decompressNs: number[] = [];

  constructor(codec: string, unit: number) {
    this.codec = codec;
    this.unit = unit;
    this.#counts = new Float64Array(unit);
  }

  add(units: CompressedUnits): void {
    for (const unit of units.units) this.#counts[unit?.length ?? 0] += 1;
    this.#compressNs.push(...units.compressNs);
    this.#decompressNs.push(...units.decompressNs);
  }

  /** Chooses what fits a driver from the sizes of one batch, once and if there are any: a page size, or several. */
  chooseFit(driver: string, units: CompressedUnits): void {
    if (this.#fitted.has(driver)) return;
    const all = units.units.filter((unit) => unit !== null).map((unit) => unit.length);
    if (all.length === 0) return;
    this.#fitted.add(driver);
    const some = evenly(all, FIT_SIZES_MAX);
    if (driver === "zbud") {
      const { pageSize, curve } = fitPageSize(some, { unfitBytes: this.unit });
      const objects = curve[0].objects + curve[0].unfit;
      this.fit = { pageSize, objects, curve: curve.map(({ pageSize, bytes }) => ({ pageSize, bytes })) };
      return;
    }
    const { pageSizes } = fitPageSizes(some);
    this.pageSizes =
      pageSizes.length < 2 ? null : pageSizes.map(({ pageSize, maxSize }) => ({ pageSize, maxSize }));
  }

  /** The totals of a pool; made when first asked for. */
  pool(kind: PoolKind): PoolTotals {
    const known = this.pools.find(
      ({ kind: { driver, pageSize, pageSizes } }) =>
        driver === kind.driver && pageSize === kind.pageSize && pageSizes === kind.pageSizes,
    );
    if (known) return known;
    const pool = new PoolTotals(kind);
    this.pools.push(pool);
    return pool;
  }

  estimate(inputBytes: number): CodecEstimate {
    const { incompressible, compressible, compressedBytes, sizes, histogram } = sizeFigures(this.#counts);
    const leastBytes = compressedBytes + incompressible * this.unit;
    return {
      codec: this.codec,
      incompressible,
      compressible,
      compressedBytes,
      codecRatio: leastBytes === 0 ? null : inputBytes / leastBytes,
      sizes,
      histogram,
      compressNsPerUnit: medianOf(this.#compressNs),
      decompressNsPerUnit: medianOf(this.#decompressNs),
      pools: this.pools.map((pool) => {
        const { driver, pageSize, pageSizes } = pool.kind;
        const fitted = pageSizes !== null || (driver === "zbud" && pageSize === this.fit?.pageSize);
        return pool.estimate(this.unit, inputBytes, incompressible, fitted);
      }),
      fit: this.fit,
    };
  }
}

/** So many of them at most, from all over. */
function evenly(values: readonly number[], most: number): number[] {
  const step = Math.max(1, values.length / most);
  return Array.from({ length: Math.ceil(values.length / step) }, (_, i) => values[Math.floor(i * step)]);
}

/** The middle one: a pause of the machine, or code that is not yet compiled, does not move it. */
export function medianOf(values: number[]): number | null {
  if (values.length === 0) return null;
  return Math.round(values.toSorted((a, b) => a - b)[values.length >> 1]);
}

/** Adds up the figures of one kind of pool. */
export class PoolTotals {
  readonly kind: PoolKind;
  readonly #sum: Omit<Packed, "storeNs"> = {
    objects: 0,
    pages: 0,
    pageBytes: 0,
    metadataBytes: 0,
    fixedBytes: 0,
    refused: 0,
    half: null,
  };
  readonly #storeNs: number[] = [];

  constructor(kind: PoolKind) {
    this.kind = kind;
  }

  /** Whether the pool has not been looked at half freed: once is enough, and takes its time. */
  get wantsHalf(): boolean {
    return this.#sum.half === null;
  }

  add(packed: Packed): void {
    const sum = this.#sum;
    sum.objects += packed.objects;
    sum.pages += packed.pages;
    sum.pageBytes += packed.pageBytes;
    // One pool would hold all batches: what an empty pool has is counted once.
    sum.fixedBytes = packed.fixedBytes;
    sum.metadataBytes += packed.metadataBytes - packed.fixedBytes;
    sum.refused += packed.refused;
    this.#storeNs.push(...packed.storeNs);
    sum.half ??= packed.half;
  }

  estimate(unit: number, inputBytes: number, incompressible: number, fitted: boolean): PoolEstimate {
    const { objects, pages, pageBytes, refused } = this.#sum;
    const { driver, pageSize, pageSizes } = this.kind;
    // A pool that would hold nothing need not be there.
    const fixedBytes = objects === 0 ? 0 : this.#sum.fixedBytes;
    const metadataBytes = objects === 0 ? 0 : this.#sum.metadataBytes + fixedBytes;
    const rawBytes = (incompressible + refused) * unit;
    const heldBytes = pageBytes + metadataBytes + rawBytes;
    return {
      driver,
      pageSize,
      fitted,
      pageSizes,
      objects,
      pages,
      objectsPerPage: pages === 0 ? 0 : objects / pages,
      pageBytes,
      metadataBytes,
      fixedBytes,
      refused,
      rawBytes,
      heldBytes,
      ratio: heldBytes === 0 ? null : inputBytes / heldBytes,
      storeNsPerObject: medianOf(this.#storeNs),
      halfFreed: halfFreedOf(this.#sum.half),
    };
  }
}

function halfFreedOf(half: Packed["half"]): HalfFreed | null {
  if (half === null) return null;
  const { filled, objects, pages, poolBytes, evicted, reclaimed } = half;
  return {
    filled,
    objects,
    pages,
    objectsPerPage: pages === 0 ? 0 : objects / pages,
    poolBytes,
    evictionsPerPage: reclaimed === 0 ? null : evicted / reclaimed,
  };
}
