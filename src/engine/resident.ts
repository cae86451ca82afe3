import type { Shard } from "./shard.ts";
import {
  BUCKETS_AT,
  BUCKETS_MIN,
  EXPIRY_WORDS,
  F_PUTS,
  ROW_BYTES,
  W_BUCKETS_USED,
  W_ENTRIES,
  W_EXPIRIES_MAX,
  W_FRAGMENTS,
  W_HIGH_WATER,
  W_ROWLESS,
} from "./table.ts";

/** The system gives memory in pages of so many bytes. */
const SYSTEM_PAGE_BYTES = 4096;

/**
 * Bytes of a table that were touched by so many writes at random places. Each page is missed by one write with the
 * chance `1 - 1 / pages`.
 */
export function touchedAtRandom(bytes: number, writes: number): number {
  const pages = Math.ceil(bytes / SYSTEM_PAGE_BYTES);
  return Math.round(bytes * (1 - Math.exp(-writes / pages)));
}

/**
 * What of a shard is resident, about: buckets that are in use, rows that were ever used and what belongs
 * to them, the bookkeeping of the pools, and their pages.
 */
export function bytesResident(shard: Shard): number {
  const { words, floats, pools } = shard;
  let bytes = indexBytes(shard, words[W_HIGH_WATER] - 1, floats[F_PUTS]) + pools.bytesResident;
  for (const { pool } of pools.list) bytes += pool.metadataBytes;
  return bytes;
}

/** Of what is resident, that for the entries that are there: none of what was used before and is free. */
export function bytesOfEntries(shard: Shard): number {
  const { words, budget, pools } = shard;
  const rows = words[W_ENTRIES] + words[W_FRAGMENTS];
  const pageBytes = Math.min(pools.bytesHeld, pools.bytesResident);
  const poolBytes =
    (rows + words[W_ROWLESS]) * budget.objectBytes + Math.ceil(pageBytes * (1 + budget.pageCost));
  return Math.min(indexBytes(shard, rows, rows) + poolBytes, bytesResident(shard));
}

function indexBytes({ words, layout, hooks }: Shard, rows: number, puts: number): number {
  const buckets = Math.min(words[W_BUCKETS_USED], Math.max(BUCKETS_MIN, rows));
  let bytes = 4 * (BUCKETS_AT + buckets) + rows * ROW_BYTES;
  if (words[W_EXPIRIES_MAX] > 0) bytes += rows * 4 * EXPIRY_WORDS;
  const { secondaryIndex } = hooks;
  if (secondaryIndex === null) return bytes;
  const { secondaryIndexAt, maxRows } = layout;
  return bytes + secondaryIndex.touchedBytes(words, secondaryIndexAt, maxRows + 1, rows, puts);
}
