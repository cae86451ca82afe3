import type { SlotsPool } from "../../../src/drivers/slots/index.ts";
import type { PoolSnapshot, PoolStats } from "../../../src/pool/index.ts";

/** Everything that can be seen of a pool and its objects, bytes included, to be compared with deepEqual. */
export interface FullSnapshot extends PoolSnapshot {
  bytes: Uint8Array[];
  stats: PoolStats;
}

export function fullSnapshot(pool: SlotsPool): FullSnapshot {
  pool.verify();
  const snapshot = pool.snapshot();
  const handles = snapshot.pages.flatMap(({ objects }) => objects.map(({ handle }) => handle));
  return { ...snapshot, bytes: handles.map((handle) => pool.map(handle).slice()), stats: pool.stats() };
}
