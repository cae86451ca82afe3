import { ZbudError } from "../base/index.ts";
import { type Engine, follow, type MemoryFollower } from "../engine/index.ts";
import type { StoreShape } from "./options.ts";

/**
 * The engine of a store whose limit is set by hand.
 *
 * @throws {ZbudError} `EINVAL` if there is none, or the limit follows the machine.
 */
export function resizable(engine: Engine | null, { minBytes, maxBytes }: StoreShape): Engine {
  if (engine !== null && minBytes === maxBytes) return engine;
  throw new ZbudError(
    "EINVAL",
    engine === null
      ? "a store with maxBytes 0 has no memory to be resized"
      : "this store follows the memory of the machine: its limit is not set by hand; make it with a maxBytes that is no range",
  );
}

/** What has the limit follow the machine; null if it is no range. Throws as {@link follow}. */
export function followerOf(
  engine: Engine | null,
  { minBytes, maxBytes }: StoreShape,
  isNew: boolean,
): MemoryFollower | null {
  if (engine === null || minBytes === maxBytes) return null;
  const own = maxBytes - engine.maxBytes;
  return follow(engine, { min: minBytes - own, max: engine.maxBytes }, () => 0, isNew);
}
