import type { Engine } from "./engine.ts";
import type { Shard } from "./shard.ts";
import { hashOf, STATE, STATE_CLEAN, W_CLEAN, W_FLOOR, W_GRACE_FLOOR, W_MARKED, W_VERSION } from "./table.ts";
import type { Guard } from "./types.ts";

/*
 * Which entries are known to be what others have, who may have changed them elsewhere: those whose version is above the
 * floor of their shard. A version grows with each put, so to distrust all that is there costs one word for each shard,
 * and to trust an entry again gives it a version of its own. An entry that is compressed anew gets one too, so an engine
 * that distrusts does not do that. One that is moved keeps its version if that was asked for since it was put, as what was
 * asked for may become the floor at any time.
 */

/** `"known"`: above the floor. `"grace"`: it was when the grace began that came last. `"unknown"`: neither. */
export type Trust = "known" | "grace" | "unknown";

/** How far an entry of this version is trusted in the shard whose words these are. */
export function trustOf(words: Int32Array, version: number): Trust {
  if (((version - Atomics.load(words, W_FLOOR)) | 0) > 0) return "known";
  return ((version - Atomics.load(words, W_GRACE_FLOOR)) | 0) > 0 ? "grace" : "unknown";
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
 * The first half of a grace: from here on it is for what is trusted now, and for nothing else. The second one is to
 * {@link distrust} all. In between is the time to say how long the grace is.
 */
export function beginGrace(engine: Engine): void {
  for (let number = 0; number < engine.shardCount; number++) {
    const { words } = engine.shard(number);
    Atomics.store(words, W_GRACE_FLOOR, Atomics.load(words, W_FLOOR));
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
    markClean(shard, row);
    shard.renewVersion(row);
    return true;
  });
}

/** The entry was compared: it is what others have, and clean. */
export function noteSame(engine: Engine, number: number, row: number, version: number): void {
  const shard = engine.shard(number);
  shard.locked(() => {
    if (shard.isCurrent(row, version)) markClean(shard, row);
  });
}

function markClean({ words, rows }: Shard, row: number): void {
  const state = rows.at(row) + STATE;
  if ((words[state] & STATE_CLEAN) !== 0) return;
  words[state] |= STATE_CLEAN;
  words[W_CLEAN]++;
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
