import type { FullOf } from "../backing/index.ts";
import type { SharedEngine } from "../engine/index.ts";
import type { StoreShape } from "./options.ts";

/**
 * What became of a page that was to be stored.
 *
 * | result | meaning |
 * | --- | --- |
 * | `"stored"` | the store has it |
 * | `"poor"` | it does not compress, and `incompressible` is `"reject"` |
 * | `"full"` | the store is at its limit, and what is there cannot go: there is no backing store, or it takes nothing at the moment |
 *
 * A page that is not stored leaves nothing behind: its older version is gone too.
 */
export type StoreResult = "stored" | "poor" | "full";

/**
 * Where a page is that was to be loaded.
 *
 * | result | meaning |
 * | --- | --- |
 * | `"loaded"` | in the caller's buffer |
 * | `"away"` | in the backing store, as far as that is known: `loadAsync` or `loadSync` fetches it |
 * | `"missing"` | nowhere |
 */
export type LoadResult = "loaded" | "away" | "missing";

/** Options of calls that wait. */
export interface WaitOptions {
  /** Ends the wait: the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What {@link PageStore.shrinkBytes} freed. */
export interface ShrunkStore {
  /** Bytes of pool pages. */
  bytesFreed: number;
  /** Pages of the store that are no longer in memory. */
  pagesEvicted: number;
}

/** A store as plain data, for `postMessage` or `workerData`. */
export interface SharedPageStore {
  /** Version of the layout. */
  readonly store: number;
  readonly shape: StoreShape;
  /** Whether each thread must have the backing store as well. */
  readonly hasBacking: boolean;
  /** What tells it from others, if it says. */
  readonly backingId: string | null;
  /** Null: a store of 0 bytes. */
  readonly engine: SharedEngine | null;
  readonly counters: SharedArrayBuffer;
}

/**
 * Figures of a store, all threads together. Those with a name of zswap or zram mean what they mean there; sizes
 * are bytes. Of the others, what is named after an event (`stores`, `evictions`, `bytesWrittenBack`) counts since the
 * store was made; the rest is what is there now.
 */
export interface PageStoreStats {
  /** zswap: bytes of pool pages in use. */
  poolTotalSize: number;
  /** zswap: pages in memory, same-filled ones included. */
  storedPages: number;
  /** zswap: of them, filled with one word; zram calls them same_pages. */
  sameFilledPages: number;
  /** zswap: of them, kept as they are; zram calls them huge_pages. */
  storedIncompressiblePages: number;
  /** zswap: how often room had to be made at the limit. */
  poolLimitHit: number;
  /** zswap: pages written to the backing store. */
  writtenBackPages: number;
  /** zswap: pages refused because nothing could go. */
  rejectReclaimFail: number;
  /** zswap: pages whose codec threw. */
  rejectCompressFail: number;
  /** zswap: pages refused because they do not compress. */
  rejectCompressPoor: number;
  /** zswap: pages refused because the limit is 0 and the backing store took nothing. */
  rejectAllocFail: number;
  /** zswap: pages that took the place of an older version. */
  duplicateEntry: number;
  /** zswap: stored pages that could not be read. */
  decompressFail: number;

  /** zram: bytes of the pages in memory, uncompressed. */
  origDataSize: number;
  /** zram: what they take compressed. */
  comprDataSize: number;
  /** zram: what they take in all, with index and metadata: what is resident, but for what was used before and is free. */
  memUsedTotal: number;
  /** zram: the limit, `bytesReserved`. */
  memLimit: number;
  /** zram: what is resident: memory that was touched and is not given back. */
  memUsedMax: number;
  /** zram: pages that became smaller by recompression, and what that saved. */
  recompressedPages: number;
  recompressedBytesSaved: number;

  /** Of the pages in memory, those that the backing store has too. */
  cleanPages: number;
  /** Pages that were stored. */
  stores: number;
  /** Loads that found the page in memory. */
  loads: number;
  /** Loads that found it in the backing store, or nowhere. */
  loadsAway: number;
  loadsMissing: number;
  /** Pages read from the backing store. */
  readBacks: number;
  /** Pages that left memory for lack of room: dropped ones, and those that the backing store has. */
  evictions: number;
  /** Pages in memory that were dropped by their index. */
  invalidations: number;
  /** Pages dropped for lack of room (`whenFull: "drop"`). */
  drops: number;
  /** Bytes of records that were written to the backing store. */
  bytesWrittenBack: number;
  /** Pages whose write to the backing store failed: they stay in memory. */
  writebacksFailed: number;
  /**
   * Whether the backing store did not take the last page that this thread had for it, as it is full or out of reach. It
   * is not asked again for each page then, but when something was deleted, or after a pause.
   */
  isBackingFull: boolean;
  /**
   * What the backing store lacks for what it is given: `"bytes"` (give it more `maxBytes`), `"records"` (a file with a
   * fixed index; lower its `averageBytes`, or leave it out); null: nothing, or it does not say.
   */
  backingFullOf: FullOf | null;
  /** Of every 64th store and every 64th load of a thread: how many took `[2^i, 2^(i + 1))` nanoseconds, for each `i`. */
  storeLatencyNs: number[];
  loadLatencyNs: number[];
  /** What this thread does in a slower or weaker way, since the platform lacks something; see docs/decisions.md. */
  fallbacks: string[];
}
