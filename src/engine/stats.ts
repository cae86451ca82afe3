import { CLEARED, DELETED, EVICTED, EXPIRED, REPLACED } from "./parts.ts";
import { bytesOfEntries, bytesResident } from "./resident.ts";
import type { Shard } from "./shard.ts";
import {
  F_EVICTIONS_REFUSED,
  F_HITS,
  F_LIMIT_HIT,
  F_MISSES,
  F_ORIGINAL_BYTES,
  F_PUTS,
  F_RECOMPRESSED,
  F_RECOMPRESSED_SAVED,
  F_REJECT_FULL,
  F_REJECT_LARGE,
  F_REJECT_POOR,
  F_REMOVED,
  F_STORED_BYTES,
  W_CLEAN,
  W_ENTRIES,
  W_RAW,
  W_SAME_FILLED,
} from "./table.ts";
import type { EngineStats } from "./types.ts";

/** Adds up what the shards count. Without locks: each figure is of its own moment. */
export function statsOf(shards: readonly Shard[], bytesReserved: number, headerBytes: number): EngineStats {
  const word = (index: number): number => shards.reduce((sum, { words }) => sum + words[index], 0);
  const float = (index: number): number => shards.reduce((sum, { floats }) => sum + floats[index], 0);
  const removed = (reason: number): number => float(F_REMOVED + reason);
  return {
    entries: word(W_ENTRIES),
    sameFilled: word(W_SAME_FILLED),
    incompressible: word(W_RAW),
    clean: word(W_CLEAN),
    originalBytes: float(F_ORIGINAL_BYTES),
    storedBytes: float(F_STORED_BYTES),
    poolBytes: shards.reduce((sum, { pools }) => sum + pools.bytesUsed, 0),
    maxPoolBytes: shards.reduce((sum, { pools }) => sum + pools.bytesTouched, 0),
    bytesUsed: shards.reduce((sum, shard) => sum + bytesResident(shard), headerBytes),
    bytesLive: shards.reduce((sum, shard) => sum + bytesOfEntries(shard), headerBytes),
    bytesReserved,
    hits: float(F_HITS),
    misses: float(F_MISSES),
    puts: float(F_PUTS),
    evicted: removed(EVICTED),
    expired: removed(EXPIRED),
    replaced: removed(REPLACED),
    deleted: removed(DELETED),
    cleared: removed(CLEARED),
    limitHit: float(F_LIMIT_HIT),
    rejectPoor: float(F_REJECT_POOR),
    rejectLarge: float(F_REJECT_LARGE),
    rejectFull: float(F_REJECT_FULL),
    evictionsRefused: float(F_EVICTIONS_REFUSED),
    recompressed: float(F_RECOMPRESSED),
    recompressedBytesSaved: float(F_RECOMPRESSED_SAVED),
  };
}
