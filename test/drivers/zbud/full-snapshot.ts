import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import type { ZbudPool, ZbudSnapshot } from "../../../src/drivers/zbud/index.ts";

/** Everything that can be seen of a pool and its objects, bytes included, to be compared with deepEqual. */
export interface FullSnapshot extends ZbudSnapshot {
  bytes: Uint8Array[];
  stats: ReturnType<ZbudPool["stats"]>;
}

export function fullSnapshot(pool: ZbudPool): FullSnapshot {
  verify(pool);
  const whole = snapshot(pool);
  const handles = whole.pages.flatMap(({ first, last }) => [first, last]);
  const bytes = handles.flatMap((object) => (object === null ? [] : [pool.map(object.handle).slice()]));
  return { ...whole, bytes, stats: pool.stats() };
}
