import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import type { SlotsPool } from "../../../src/drivers/slots/index.ts";
import type { PoolSnapshot, PoolStats } from "../../../src/pool/index.ts";

/** Everything that can be seen of a pool and its objects, bytes included, to be compared with deepEqual. */
export interface FullSnapshot extends PoolSnapshot {
  bytes: Uint8Array[];
  stats: PoolStats;
}

export function fullSnapshot(pool: SlotsPool): FullSnapshot {
  verify(pool);
  const whole = snapshot(pool);
  const handles = whole.pages.flatMap(({ objects }) => objects.map(({ handle }) => handle));
  return { ...whole, bytes: handles.map((handle) => pool.map(handle).slice()), stats: pool.stats() };
}
