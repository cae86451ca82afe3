import { verifyFileIndex } from "../backing/index.ts";
import { verifyShard } from "../engine/index.ts";
import { type Inspectable, insideOf, type Verifiable } from "./inside.ts";
import { walksOf } from "./walks-of.ts";

/**
 * Checks every invariant of a pool, a page store, a cache or a file store: a fault that it finds is a bug of the library,
 * or memory that something else wrote into.
 *
 * @throws {ZbudError} `ECORRUPT` naming the first that does not hold; `ECLOSED` if it was closed; `EINVAL` for anything
 *   else; `ENOTSUP` for a pool of a driver of one's own whose allocator has no `verify`.
 * @remarks Walks everything, with other threads kept out meanwhile; for tests and for the hunt after a bug.
 */
export function verify(thing: Verifiable): void;
/** @internal */
export function verify(thing: Inspectable): void;
export function verify(thing: unknown): void {
  const inside = insideOf("verify", thing);
  switch (inside.kind) {
    case "pool": {
      const { type } = inside;
      inside.look((allocator, reclaims) => walksOf(type, allocator).verify(allocator, reclaims));
      break;
    }
    case "engine":
      for (const shard of inside.shards) shard.locked(() => verifyShard(shard, verify));
      break;
    default:
      inside.look(verifyFileIndex);
  }
}
