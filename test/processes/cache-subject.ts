/** A cache, as the torture of processes has it. */

import assert from "node:assert/strict";
import { Prng } from "../../src/base/index.ts";
import type { CompressedCache } from "../../src/cache/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { checkBooks } from "../cache/cache-checks.ts";
import { CachePlayer } from "./cache-player.ts";
import type { Subject } from "./torture.ts";
import type { Truth } from "./truth.ts";
import type { Value } from "./values.ts";

/** Bytes of the entries that it is filled with: none that compresses. */
const FILLS: readonly number[] = [40, 7000];

export const cacheSubject: Subject = {
  open: (plan, truth) => {
    registerBuiltIns();
    const player = new CachePlayer(plan, truth);
    return {
      audit: (deaths) => auditCache(player, truth, deaths),
      capacity: () => FILLS.map((bytes) => fill(player.cache, bytes)),
      close: () => player.cache.close(),
    };
  },
};

function auditCache(player: CachePlayer, truth: Truth, deaths: number): void {
  const { cache } = player;
  cache.recover();
  checkBooks(cache as CompressedCache<unknown>);
  for (let key = 0; key < truth.keys; key++) {
    assert.ok(truth.claim(key, -1), `key ${key} is being changed, and nobody is at work`);
    player.settle(key);
    truth.release(key);
  }
  const { sets, entries, evictions, expirations, replacements, deletions, clearDeletions, ...refused } =
    cache.stats();
  const gone = evictions + expirations + replacements + deletions + clearDeletions;
  const difference = sets - refused.rejectTooBig - refused.rejectNoMemory - entries - gone;
  // Who dies in the lock may have counted what was not done, or the other way round.
  assert.ok(
    Math.abs(difference) <= 2 * deaths,
    `${difference} entries came or went uncounted in ${deaths} deaths`,
  );
}

/** Empties a cache, and fills it with entries of so many bytes until one has to go. How many it held. */
function fill(cache: CompressedCache<Value>, bytes: number): number {
  cache.clear();
  const prng = new Prng(bytes);
  const { evictions, rejectNoMemory } = cache.stats();
  for (let i = 0; ; i++) {
    const value = Uint8Array.from({ length: bytes }, () => prng.below(256));
    cache.set(`fill ${i}`, value);
    const stats = cache.stats();
    if (stats.evictions > evictions || stats.rejectNoMemory > rejectNoMemory) break;
  }
  const { size } = cache;
  cache.clear();
  return size;
}
