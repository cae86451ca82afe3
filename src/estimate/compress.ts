import { ZbudError } from "../base/index.ts";
import type { Codec } from "../codecs/index.ts";
import type { SampleBatch } from "./batch.ts";
import type { Progress } from "./progress.ts";
import type { UnitScan } from "./scan.ts";

const SLICE_BYTES = 1 << 18;
/** Of the batches after the first, one unit in so many is decompressed and compared. */
const CHECK_EVERY = 8;
/** Before it is timed, a codec is called so often, or for so long: code that was never run is compiled first. */
const WARM_CALLS_MIN = 32;
const WARM_CALLS = 1000;
const WARM_MS = 15;

/** The part of a {@link UnitScan} that compressing needs. */
export type Units = Pick<UnitScan, "unit" | "units" | "offsets" | "count" | "next">;

/**
 * The units of a batch, compressed with one codec, end to end; used again for each codec and batch.
 *
 * They are decompressed again at once and compared with the input: whoever stores them then only has to show that the
 * same compressed bytes come back. Of the batches after the first, each eighth unit is.
 */
export class CompressedUnits {
  readonly #batch: SampleBatch;
  /** As long as the batch, and one unit more for the codec to write into; untouched, it costs nothing. */
  readonly #memory: ArrayBuffer;
  /** Unit `i` of the scan, compressed; null: it does not get smaller. After the first batch only lengths mean something. */
  readonly units: (Uint8Array | null)[] = [];
  unit = 0;
  #scan!: Units;
  #checkEvery = 1;
  /** Where units go that are not checked, and its first bytes, by how many. */
  #scratch: Uint8Array = new Uint8Array(0);
  #sized: Uint8Array[] = [];
  /** Nanoseconds a unit, of each slice in turn. */
  compressNs: number[] = [];
  decompressNs: number[] = [];

  constructor(batch: SampleBatch) {
    this.#batch = batch;
    this.#memory = new ArrayBuffer(batch.bytes.length + batch.spanBytes);
  }

  /**
   * Gets ready for the units of a scan, over what was here.
   *
   * @param isFirst - whether it is of the first batch, of which every unit is checked.
   */
  begin(scan: Units, isFirst: boolean): void {
    this.#checkEvery = isFirst ? 1 : CHECK_EVERY;
    this.#scan = scan;
    if (this.#scratch.length !== scan.unit - 1) {
      this.#scratch = new Uint8Array(scan.unit - 1);
      this.#sized = [];
    }
    this.unit = scan.unit;
    this.units.length = 0;
    this.compressNs = [];
    this.decompressNs = [];
  }

  /** The most units there can be after {@link fill}. */
  get maxUnits(): number {
    return this.#scan.units;
  }

  /**
   * Compresses the units of the scan, and checks them. The scan is driven on as far as it has not been yet.
   *
   * @param onSlice - gets the units, slice by slice, while they are still in the caches.
   * @throws {ZbudError} `ECORRUPT` for the first unit that does not come back as it was.
   */
  async fill(
    codec: Codec,
    clock: () => number,
    progress: Progress,
    onSlice: (first: number, last: number) => void,
  ): Promise<void> {
    const scan = this.#scan;
    const slice = Math.max(1, SLICE_BYTES / scan.unit);
    const target = new Uint8Array(scan.unit);
    let end = 0;
    for (let first = 0; first < scan.count || scan.next(); ) {
      const last = Math.min(first + slice, scan.count);
      if (first === last) continue;
      const begun = clock();
      end = this.#compress(scan.offsets, codec, first, last, end);
      const between = clock();
      const count = this.#check(scan.offsets, codec, first, last, target);
      if (count > 0) this.decompressNs.push(((clock() - between) * 1e6) / count);
      this.compressNs.push(((between - begun) * 1e6) / (last - first));
      onSlice(first, last);
      first = last;
      if (progress.shouldYield) await progress.yieldThread(last / scan.units);
    }
  }

  /**
   * Lets a codec work on one unit until it is as quick as it gets, so that the first units are not timed while
   * its code is loaded and compiled. Results are not looked at here.
   */
  warmUp(codec: Codec): void {
    const scan = this.#scan;
    if (scan.count === 0) while (scan.count === 0 && scan.next());
    if (scan.count === 0) return;
    const source = this.#batch.unitViews(scan.unit)[scan.offsets[0] / scan.unit];
    const compressed = new Uint8Array(scan.unit - 1);
    const target = new Uint8Array(scan.unit);
    const ends = performance.now() + WARM_MS;
    for (let i = 0; i < WARM_CALLS && (i < WARM_CALLS_MIN || performance.now() < ends); i++) {
      const size = codec.compress(source, compressed);
      if (size > 0) codec.decompress(compressed.subarray(0, size), target);
    }
  }

  /**
   * Of a unit that is not checked only the size is kept, as a view of that length: nobody reads its bytes.
   *
   * @returns where the next unit goes.
   */
  #compress(offsets: Uint32Array, codec: Codec, first: number, last: number, start: number): number {
    const unit = this.unit;
    const inputs = this.#batch.unitViews(unit);
    let end = start;
    for (let i = first; i < last; i++) {
      const input = inputs[offsets[i] / unit];
      if ((i - first) % this.#checkEvery !== 0) {
        const size = codec.compress(input, this.#scratch);
        this.units[i] = size === 0 ? null : this.#scratchOf(size);
        continue;
      }
      // A byte short of the unit: the codec then says itself that the unit does not get smaller.
      const size = codec.compress(input, new Uint8Array(this.#memory, end, unit - 1));
      this.units[i] = size === 0 ? null : new Uint8Array(this.#memory, end, size);
      end += size;
    }
    return end;
  }

  #scratchOf(size: number): Uint8Array {
    this.#sized[size] ??= this.#scratch.subarray(0, size);
    return this.#sized[size];
  }

  /** @returns how many were checked: of those that it looks at the ones that had got smaller. */
  #check(offsets: Uint32Array, codec: Codec, first: number, last: number, target: Uint8Array): number {
    const unit = this.unit;
    const inputs = this.#batch.unitViews(unit);
    let count = 0;
    for (let i = first; i < last; i += this.#checkEvery) {
      const source = this.units[i];
      if (source === null) continue;
      count += 1;
      const length = codec.decompress(source, target);
      if (length !== unit || Buffer.compare(inputs[offsets[i] / unit], target) !== 0) {
        throw differs(codec.name, unit, source.length);
      }
    }
    return count;
  }
}

function differs(codec: string, unit: number, size: number): ZbudError {
  return new ZbudError(
    "ECORRUPT",
    `a unit of ${unit} bytes came back different after ${codec} (${size} bytes compressed): please report this`,
  );
}
