import type { Engine } from "./engine.ts";
import { hashOf, W_FLOOR, W_MARKED, W_VERSION } from "./table.ts";
import type { Guard } from "./types.ts";

/*
 * Which entries are known to be what others have, who may have changed them elsewhere: those whose version is above the
 * floor of their shard. A version grows with each put, so to distrust all that is there costs one word for each shard,
 * and to trust an entry again gives it a version of its own. An entry that is compressed anew gets one too, so an engine
 * that distrusts does not do that. One that is moved keeps its version if that was asked for since it was put, as what was
 * asked for may become the floor at any time.
 */

/** Whether an entry of this version is above the floor of the shard whose words these are. */
export function isTrusted(words: Int32Array, version: number): boolean {
  return ((version - Atomics.load(words, W_FLOOR)) | 0) > 0;
}

/** The last version of each shard at this moment; what is being put under a shard's lock is among them. */
export function versionsOf(engine: Engine): number[] {
  return Array.from({ length: engine.shardCount }, (_, number) => {
    const shard = engine.shard(number);
    return shard.locked(() => {
      shard.words[W_MARKED] = shard.words[W_VERSION];
      return shard.words[W_VERSION];
    });
  });
}

/** From here on no entry is trusted that was there when {@link versionsOf} gave these. */
export function distrust(engine: Engine, versions: readonly number[]): void {
  for (const [shard, version] of versions.entries()) {
    Atomics.store(engine.shard(shard).words, W_FLOOR, version);
  }
}

/**
 * Trusts the entry that `(shard, row, version)` names.
 *
 * @param guard - asked under the lock.
 * @returns false: it is not there any more, or the guard said no.
 */
export function trustAgain(
  engine: Engine,
  number: number,
  row: number,
  version: number,
  guard: Guard,
): boolean {
  const shard = engine.shard(number);
  return shard.locked(() => {
    if (!shard.isCurrent(row, version) || !guard()) return false;
    shard.renewVersion(row);
    return true;
  });
}

/** A name was changed elsewhere: what is being read of it is out of date. What is here of it stays. */
export function noteChange(
  engine: Engine,
  k0: number,
  k1: number,
  prefix: Uint8Array,
  prefixLength: number,
): void {
  const hash = hashOf(k0, k1);
  const bits = Math.log2(engine.shardCount);
  const shard = engine.shard(bits === 0 ? 0 : hash >>> (32 - bits));
  shard.locked(() => shard.change(k0, k1, hash, prefix, prefixLength));
}
