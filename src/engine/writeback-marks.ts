import { EVICTED } from "./parts.ts";
import type { Shard } from "./shard.ts";
import { STATE, STATE_CLEAN, STATE_WRITING, W_CLEAN } from "./table.ts";
import type { FoundEntry } from "./types.ts";

/**
 * Entries on their way to a backing store: one bit in the state of each says so, to all threads. All expect the lock
 * of the shard, but `forgetWriting`.
 */

/** Entries on their way already that are passed over. */
const WRITING_PASSED_MAX = 512;

/** See {@link Engine.startWriteback}. */
export function startWriteback(
  shard: Shard,
  max: number,
  take: (entry: FoundEntry) => void,
  done: () => void,
  into: readonly FoundEntry[],
): number {
  const { queue, rows } = shard;
  let taken = 0;
  let evicted = 0;
  let passed = 0;
  for (let row = queue.last(); row !== 0 && taken + evicted < max; ) {
    const before = queue.before(row);
    const state = rows.stateOf(row);
    if (shard.isClean(row)) {
      shard.removeRow(row, EVICTED);
      evicted++;
    } else if ((state & STATE_WRITING) === 0) {
      shard.startWriting(row, take, into[taken]);
      taken++;
    } else if (++passed > WRITING_PASSED_MAX) {
      break;
    }
    row = before;
  }
  if (taken > 0) done();
  return taken + evicted;
}

/** See {@link Engine.startWritebackOf}. */
export function startWritebackOf(
  shard: Shard,
  list: Int32Array,
  take: (entry: FoundEntry) => void,
  done: () => void,
  into: readonly FoundEntry[],
): number {
  let taken = 0;
  for (let at = 0; at < list.length; at += 2) {
    if (!shard.isCurrent(list[at], list[at + 1])) continue;
    if ((shard.rows.stateOf(list[at]) & (STATE_CLEAN | STATE_WRITING)) !== 0) continue;
    shard.startWriting(list[at], take, into[taken]);
    taken++;
  }
  if (taken > 0) done();
  return taken;
}

/** See {@link Engine.endWriteback}. */
export function endWriteback(
  shard: Shard,
  row: number,
  version: number,
  outcome: "clean" | "evict" | "failed",
): boolean {
  if (!shard.isCurrent(row, version)) return false;
  const { words } = shard;
  const state = shard.rows.at(row) + STATE;
  words[state] &= ~STATE_WRITING;
  if (outcome === "failed") return true;
  if ((words[state] & STATE_CLEAN) === 0) words[W_CLEAN]++;
  words[state] |= STATE_CLEAN;
  if (outcome === "evict") shard.removeRow(row, EVICTED);
  return true;
}

/**
 * Without the lock: for a thread that is gone and may have had entries on their way to the backing store. Those
 * of living threads are forgotten as well, and may be written twice. Repairs first if it was in the lock.
 */
export function forgetWriting(shard: Shard): void {
  const { queue, rows, words } = shard;
  shard.enter();
  for (let row = queue.last(); row !== 0; row = queue.before(row)) {
    words[rows.at(row) + STATE] &= ~STATE_WRITING;
  }
  shard.leave();
}
