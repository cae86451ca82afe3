import type { FullOf } from "../backing/index.ts";
import { fallbacks } from "../base/index.ts";
import type { EngineStats } from "../engine/index.ts";
import {
  type Counters,
  DECOMPRESS_FAIL,
  DROPPED,
  LOAD_NS,
  LOADED_BACK,
  LOADS_AWAY,
  LOADS_MISSED,
  REJECT_ALLOC_FAIL,
  REJECT_COMPRESS_FAIL,
  REJECT_RECLAIM_FAIL,
  STORE_NS,
  STORES,
  WRITEBACK_FAILED,
  WRITTEN_BACK,
  WRITTEN_BACK_BYTES,
} from "./counters.ts";
import type { PageStoreStats } from "./types.ts";

/**
 * @param engine - null for a store without memory of its own.
 * @param own - bytes that the store takes beside its engine.
 * @param writeback - null without a backing store.
 */
export function statsOf(
  engine: EngineStats | null,
  counters: Counters,
  own: number,
  writeback: { readonly isFull: boolean; readonly fullOf: FullOf | null } | null,
): PageStoreStats {
  return {
    poolTotalSize: engine?.poolBytes ?? 0,
    storedPages: engine?.entries ?? 0,
    sameFilledPages: engine?.sameFilled ?? 0,
    storedIncompressiblePages: engine?.incompressible ?? 0,
    poolLimitHit: engine?.limitHit ?? 0,
    writtenBackPages: counters.total(WRITTEN_BACK),
    rejectReclaimFail: counters.total(REJECT_RECLAIM_FAIL),
    rejectCompressFail: counters.total(REJECT_COMPRESS_FAIL),
    rejectCompressPoor: engine?.rejectPoor ?? 0,
    rejectAllocFail: counters.total(REJECT_ALLOC_FAIL),
    duplicateEntry: engine?.replaced ?? 0,
    decompressFail: counters.total(DECOMPRESS_FAIL),
    origDataSize: engine?.originalBytes ?? 0,
    comprDataSize: engine?.storedBytes ?? 0,
    memUsedTotal: (engine?.bytesLive ?? 0) + own,
    memLimit: engine === null ? 0 : engine.bytesReserved + own,
    memUsedMax: (engine?.bytesUsed ?? 0) + own,
    recompressedPages: engine?.recompressed ?? 0,
    recompressedBytesSaved: engine?.recompressedBytesSaved ?? 0,
    cleanPages: engine?.clean ?? 0,
    stores: (engine?.puts ?? 0) + counters.total(STORES),
    loads: engine?.hits ?? 0,
    loadsAway: counters.total(LOADS_AWAY),
    loadsMissing: counters.total(LOADS_MISSED),
    readBacks: counters.total(LOADED_BACK),
    evictions: engine?.evicted ?? 0,
    invalidations: engine?.deleted ?? 0,
    drops: counters.total(DROPPED),
    bytesWrittenBack: counters.total(WRITTEN_BACK_BYTES),
    writebacksFailed: counters.total(WRITEBACK_FAILED),
    isBackingFull: writeback?.isFull ?? false,
    backingFullOf: writeback?.fullOf ?? null,
    storeLatencyNs: counters.histogram(STORE_NS),
    loadLatencyNs: counters.histogram(LOAD_NS),
    fallbacks: fallbacks(),
  };
}
