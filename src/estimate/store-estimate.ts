import { bytesText, ratioText, ZbudError } from "../base/index.ts";
import { PageStore } from "../store/index.ts";
import { DEFAULT_STORE_DRIVER, roundedUp, SPARE, type StoreChoice } from "./advice.ts";
import type { SampleBatch } from "./batch.ts";
import type { Progress } from "./progress.ts";
import type { PoolEstimate, Setting, StoreSetting, StoreTry } from "./types.ts";

/** Of less, a store's fixed part would be most of what is measured. */
const BYTES_MIN = 2 ** 20;
/** More than this does not say more: of a larger batch every so manieth unit is taken. */
const BYTES_MAX = 2 ** 22;
const SLICE_UNITS = 256;
/** How much more a store is given when what was reckoned does not do. */
const MORE = 1.08;
/** What a row of a store's index takes, about. */
const ROW_BYTES = 80;
/** What the allocator that a store has by itself takes, for each byte that it keeps, about. */
const DEFAULT_OVERHEAD = 1.03;
/** A store's own settings are advised unless choosing by hand keeps so many times more. */
const WORTH_CHOOSING = 1.03;

/** Input of which a choice was made, and the units to try it with. */
interface Trial {
  batch: SampleBatch;
  chosen: { offsets: Uint32Array; bytes: number };
  codec: string;
  unit: number;
  progress: Progress;
}

/**
 * Puts what lies in memory of the input into a {@link PageStore} with nothing chosen but the codec and the page, and
 * into one with the best allocator by hand, each within the least limit that holds it; reads it back; says what the
 * stores took.
 *
 * @returns null of too little input to say anything.
 * @throws {ZbudError} `ECORRUPT` if a page comes back different.
 */
export async function tryStore(
  batch: SampleBatch,
  sampleBytes: number,
  choice: StoreChoice,
  progress: Progress,
): Promise<StoreSetting | null> {
  const { setting, byHand } = choice;
  const chosen = choose(batch, setting.unit);
  if (chosen.bytes < BYTES_MIN) return null;
  const trial: Trial = { batch, chosen, codec: setting.codec, unit: setting.unit, progress };
  const share = chosen.bytes / sampleBytes;
  const defaults = await tryOne(trial, null, choice.leastBytes * share * DEFAULT_OVERHEAD);
  const hand = byHand === null ? null : await tryOne(trial, byHand.setting, poolBytesOf(byHand.pool) * share);
  const untouched = hand === null || hand.tried.ratio < defaults.tried.ratio * WORTH_CHOOSING;
  const { tried, averageBytes } = untouched ? defaults : hand;
  return {
    ...tried,
    codec: setting.codec,
    pageSize: setting.unit,
    maxBytes: roundedUp(tried.limitBytes * SPARE * (setting.inputBytes / chosen.bytes)),
    averageBytes,
    triedBytes: chosen.bytes,
    untouched,
    defaults: defaults.tried,
    byHand: hand?.tried ?? null,
    difference: differenceText(tried, chosen, choice, share),
  };
}

function poolBytesOf({ pageBytes, metadataBytes, rawBytes }: PoolEstimate): number {
  return pageBytes + metadataBytes + rawBytes;
}

/** Why a store's ratio is not that of a row of the tables. */
function differenceText(
  { heldBytes, ratio, driver }: StoreTry,
  { bytes, offsets }: Trial["chosen"],
  { setting, pool }: StoreChoice,
  share: number,
): string {
  if (pool.ratio === null)
    return "a page of one word repeated takes nothing but its row in the store's index";
  const beside = (heldBytes - poolBytesOf(pool) * share) / offsets.length;
  const row = `the pool's row of ${setting.driver} says ${ratioText(pool.ratio)}`;
  const tried = bytes < setting.inputBytes ? `, and it was tried with ${bytesText(bytes)}` : "";
  if (beside < 1) {
    const packs = driver === setting.driver ? "its limit makes it pack tighter" : `${driver} packs tighter`;
    return `${row}, the store ${ratioText(ratio)}: ${packs}${tried}`;
  }
  return `${row}, the store ${ratioText(ratio)}: a store also has an index, so that a page takes ${Math.round(beside)} bytes more${tried}`;
}

/** Fills one store; `setting` null: with the allocator that it has by itself. */
async function tryOne(
  trial: Trial,
  setting: Setting | null,
  poolBytes: number,
): Promise<{ tried: StoreTry; averageBytes: number }> {
  const { batch, chosen, codec, unit, progress } = trial;
  const own = setting === null ? {} : { driver: setting.driver, poolPageSize: setting.pageSize };
  const options = { pageSize: unit, codec, ...own };
  let limitBytes = limitFor(poolBytes, chosen.offsets.length, options);
  for (;;) {
    const store = new PageStore({ ...options, maxBytes: limitBytes });
    try {
      if (await fill(store, batch, chosen.offsets, unit, progress)) {
        const driver = setting?.driver ?? DEFAULT_STORE_DRIVER;
        await check(store, batch, chosen.offsets, { unit, codec, driver }, progress);
        const { memUsedTotal, comprDataSize, storedPages } = store.stats();
        const poolPageSize = setting?.pageSize ?? null;
        const ratio = chosen.bytes / memUsedTotal;
        return {
          tried: { driver, poolPageSize, heldBytes: memUsedTotal, ratio, limitBytes },
          averageBytes: Math.max(1, Math.round(comprDataSize / storedPages)),
        };
      }
    } finally {
      await store.close();
    }
    limitBytes = Math.ceil(limitBytes * MORE);
  }
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
function limitFor(
  poolBytes: number,
  units: number,
  options: { pageSize: number; codec: string; poolPageSize?: number },
): number {
  const { pageSize, poolPageSize = pageSize } = options;
  const probe = Math.max(BYTES_MIN, Math.ceil(poolBytes * 1.3 + units * ROW_BYTES), 64 * poolPageSize);
  const empty = new PageStore({ ...options, maxBytes: probe });
  const fixed = Math.min(0.5, empty.stats().memUsedTotal / probe);
  void empty.close();
  const reserved = ROW_BYTES / (Math.max(256, pageSize >> 2) + ROW_BYTES);
  const used = (poolBytes + units * ROW_BYTES) / (1 - fixed);
  return Math.ceil(Math.max(used, poolBytes / (1 - fixed - reserved), 2 ** 18, 32 * poolPageSize));
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
  { unit, codec, driver }: { unit: number; codec: string; driver: string },
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
