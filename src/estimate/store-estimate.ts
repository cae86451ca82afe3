import { ZbudError } from "../base/index.ts";
import { PageStore } from "../store/index.ts";
import { roundedUp, SPARE } from "./advice.ts";
import type { SampleBatch } from "./batch.ts";
import type { Progress } from "./progress.ts";
import type { PoolEstimate, Setting, StoreSetting } from "./types.ts";

/** Of less, a store's fixed part would be most of what is measured. */
const BYTES_MIN = 2 ** 20;
/** More than this does not say more: of a larger batch every so manieth unit is taken. */
const BYTES_MAX = 2 ** 25;
const SLICE_UNITS = 256;
/** How much more a store is given when what was reckoned does not do. */
const MORE = 1.15;
/** What a row of a store's index takes, about. */
const ROW_BYTES = 80;

/** A setting that a store can have, and the pool from which it was chosen. */
export interface StoreCandidate {
  setting: Setting;
  pool: PoolEstimate;
  /** Input of which the pool's figures are. */
  sampleBytes: number;
}

/**
 * Puts what lies in memory of the input into a {@link PageStore} with these settings, within the least limit that
 * holds it, reads it back, and says what the store took.
 *
 * @returns null of too little input to say anything.
 * @throws {ZbudError} `ECORRUPT` if a page comes back different.
 */
export async function tryStore(
  batch: SampleBatch,
  { setting, pool, sampleBytes }: StoreCandidate,
  progress: Progress,
): Promise<StoreSetting | null> {
  const chosen = choose(batch, setting.unit);
  if (chosen.bytes < BYTES_MIN) return null;
  const share = chosen.bytes / sampleBytes;
  const poolBytes = (pool.pageBytes + pool.metadataBytes + pool.rawBytes) * share;
  let maxBytes = limitFor(poolBytes, chosen.offsets.length, setting);
  for (;;) {
    const store = new PageStore(optionsOf(setting, maxBytes));
    try {
      if (await fill(store, batch, chosen.offsets, setting.unit, progress)) {
        await check(store, batch, chosen.offsets, setting, progress);
        const { memUsedTotal, comprDataSize, storedPages } = store.stats();
        return {
          driver: setting.driver,
          codec: setting.codec,
          pageSize: setting.unit,
          poolPageSize: setting.pageSize,
          maxBytes: roundedUp(maxBytes * SPARE * (setting.inputBytes / chosen.bytes)),
          averageBytes: Math.max(1, Math.round(comprDataSize / storedPages)),
          triedBytes: chosen.bytes,
          heldBytes: memUsedTotal,
          ratio: chosen.bytes / memUsedTotal,
        };
      }
    } finally {
      await store.close();
    }
    maxBytes = Math.ceil(maxBytes * MORE);
  }
}

function optionsOf({ unit, codec, driver, pageSize }: Setting, maxBytes: number) {
  return { maxBytes, pageSize: unit, codec, driver, poolPageSize: pageSize };
}

/** Units of the batch, all or evenly some, and how many bytes of input they have. */
function choose(batch: SampleBatch, unit: number): { offsets: Uint32Array; bytes: number } {
  const all = batch.unitOffsets(unit);
  const step = Math.max(1, Math.ceil((all.length * unit) / BYTES_MAX));
  const offsets = all.filter((_offset, i) => i % step === 0);
  let bytes = 0;
  for (const offset of offsets) {
    const slot = Math.floor(offset / batch.spanBytes);
    bytes += Math.min(unit, batch.lengths[slot] - (offset - slot * batch.spanBytes));
  }
  return { offsets, bytes };
}

/**
 * The limit that should just do: the pages, a row for each unit, or as many as a store keeps free of pages if
 * that is more, and what a store takes with nothing in it, which grows with its limit.
 */
function limitFor(poolBytes: number, units: number, setting: Setting): number {
  const probe = Math.max(BYTES_MIN, Math.ceil(poolBytes * 1.3 + units * ROW_BYTES), 64 * setting.pageSize);
  const empty = new PageStore(optionsOf(setting, probe));
  const fixed = Math.min(0.5, empty.stats().memUsedTotal / probe);
  void empty.close();
  const reserved = ROW_BYTES / (Math.max(256, setting.unit >> 2) + ROW_BYTES);
  const used = (poolBytes + units * ROW_BYTES) / (1 - fixed);
  return Math.ceil(Math.max(used, poolBytes / (1 - fixed - reserved), 2 ** 18, 32 * setting.pageSize));
}

/** @returns false as soon as the store is full. */
async function fill(
  store: PageStore,
  batch: SampleBatch,
  offsets: Uint32Array,
  unit: number,
  progress: Progress,
): Promise<boolean> {
  const views = batch.unitViews(unit);
  for (let i = 0; i < offsets.length; i++) {
    if (store.store(i, views[offsets[i] / unit]) !== "stored") return false;
    if (i % SLICE_UNITS === 0 && progress.shouldYield) await progress.yieldThread(i / offsets.length / 2);
  }
  return true;
}

async function check(
  store: PageStore,
  batch: SampleBatch,
  offsets: Uint32Array,
  { unit, codec, driver }: Setting,
  progress: Progress,
): Promise<void> {
  const views = batch.unitViews(unit);
  const page = new Uint8Array(unit);
  for (let i = 0; i < offsets.length; i++) {
    if (store.load(i, page) !== "loaded" || Buffer.compare(page, views[offsets[i] / unit]) !== 0) {
      throw new ZbudError(
        "ECORRUPT",
        `page ${i} came back different from a page store with ${codec} and ${driver}: please report this`,
      );
    }
    if (i % SLICE_UNITS === 0 && progress.shouldYield)
      await progress.yieldThread(0.5 + i / offsets.length / 2);
  }
}
