import type { ZbudPool, ZbudSnapshot } from "../drivers/index.ts";
import { onePool } from "../engine/index.ts";
import { type PoolSnapshot, type SnapshotColumns, snapshotOf } from "../pool/index.ts";
import { type HasPages, type Inspectable, insideOf, noneOf } from "./inside.ts";
import { walksOf } from "./walks-of.ts";

/**
 * What lies where, as plain data: every page with its objects, the lists and the LRU in their order, never keys or
 * stored bytes. Of a page store or a cache the pages of all pools beneath are as of one pool, and `lru` is empty unless
 * its option `evict` is `"page"`.
 *
 * @throws {ZbudError} `ECLOSED` if it was closed; `EINVAL` for what has no pages; `ENOTSUP` for a pool of a driver of
 *   one's own whose allocator has no `columns`.
 * @remarks Walks everything and makes objects, about 0.5 µs a page: for tests.
 */
export function snapshot(pool: ZbudPool): ZbudSnapshot;
export function snapshot(thing: HasPages): PoolSnapshot;
export function snapshot(thing: HasPages): PoolSnapshot {
  const plain = snapshotOf(columnsOf("snapshot", thing));
  const inside = insideOf("snapshot", thing);
  if (inside.kind !== "pool") return plain;
  return inside.look((allocator) => walksOf(inside.type, allocator).snapshot?.(allocator, plain) ?? plain);
}

/**
 * The same as {@link snapshot}, as columns of numbers, for viewers: about 50 ns a page. Other threads are kept out of a
 * pool, or of a shard of a store or cache, while it is walked.
 */
export function snapshotColumns(thing: HasPages): SnapshotColumns;
/** @internal */
export function snapshotColumns(thing: Inspectable): SnapshotColumns;
export function snapshotColumns(thing: unknown): SnapshotColumns {
  return columnsOf("snapshotColumns", thing);
}

function columnsOf(name: string, thing: unknown): SnapshotColumns {
  const inside = insideOf(name, thing);
  switch (inside.kind) {
    case "pool":
      return inside.look((allocator) => walksOf(inside.type, allocator).columns(allocator));
    case "engine": {
      const pools = inside.shards.flatMap((shard) =>
        shard.locked(() => shard.pools.list.map(({ pool }) => columnsOf(name, pool))),
      );
      return onePool(pools, inside.ordered);
    }
    default:
      throw noneOf(name, thing);
  }
}
