import { ownWords } from "../base/index.ts";
import { EVICTED } from "./parts.ts";
import type { Shard } from "./shard.ts";
import {
  KIND_ENTRY,
  KIND_MASK,
  STATE,
  STATE_CLEAN,
  STATE_WRITING,
  VERSION,
  W_CLEAN,
  W_ENTRIES,
  W_HIGH_WATER,
} from "./table.ts";
import type { FoundEntry } from "./types.ts";

/*
 * Entries on their way to a backing store: one bit in the state of each says so, to all threads. Functions apart from
 * the engine, so that a bundler leaves them out where nobody writes back.
 */

/** An engine. */
interface Sharded {
  shard(number: number): Shard;
}

/** Entries on their way already that are passed over. */
const WRITING_PASSED_MAX = 512;

/**
 * Takes up to `max` of the least recently used entries of a shard that are not on their way already. Those
 * that are clean are evicted; the others are marked as being written and given to `take` with their bytes,
 * and at the end `done` is called, if there was any. All under the lock.
 *
 * @param into - filled, one for each entry that is taken; without, or once they are used up, one record is filled
 *   again and again.
 * @returns how many were evicted or taken.
 */
export function startWriteback(
  engine: Sharded,
  number: number,
  max: number,
  take: (entry: FoundEntry) => void,
  done: () => void,
  into: readonly FoundEntry[] = [],
): number {
  const shard = engine.shard(number);
  return shard.locked(() => takeLast(shard, max, take, done, into));
}

function takeLast(
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

/**
 * As {@link startWriteback} for the values that a list names, as `rowsOf` and `dirtyRows` give it: those that are still
 * there, not clean and not on their way are marked and given to `take`. Nothing is evicted.
 *
 * @returns how many were taken.
 */
export function startWritebackOf(
  engine: Sharded,
  number: number,
  rows: Int32Array,
  take: (entry: FoundEntry) => void,
  done: () => void,
  into: readonly FoundEntry[] = [],
): number {
  const shard = engine.shard(number);
  return shard.locked(() => takeListed(shard, rows, take, done, into));
}

function takeListed(
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

/** How the writing of a value ended. */
type Outcome = "clean" | "evict" | "failed";

/**
 * Tells how the writing of a value ended, which may have been replaced or removed meanwhile.
 *
 * @param outcome - `"clean"`: a copy is there; the entry stays. `"evict"`: a copy is there; the entry
 *   goes. `"failed"`: nothing is there.
 * @returns whether `(number, row, version)` was still the value that was written.
 */
export function endWriteback(
  engine: Sharded,
  number: number,
  row: number,
  version: number,
  outcome: Outcome,
): boolean {
  const shard = engine.shard(number);
  return shard.locked(() => ended(shard, row, version, outcome));
}

function ended(shard: Shard, row: number, version: number, outcome: Outcome): boolean {
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

/** How many entries of a shard the backing store has not. */
export function dirtyCount(engine: Sharded, number: number): number {
  const shard = engine.shard(number);
  // Under the lock, since both counts change with one entry, and a thread that died in it left them anyhow.
  return shard.locked(() => shard.words[W_ENTRIES] - shard.words[W_CLEAN]);
}

/**
 * Looks for entries that the backing store has not, in the order of their rows: one step of a walk that meets each
 * entry that is there all the while, and keeps others from the shard no longer than a step.
 *
 * @param from - the row to begin with: 1, then what the last step gave.
 * @param looks - rows to look at, at most.
 * @param max - entries to find, at most.
 * @returns row and version of each, as `rowsOf` of the engine, and the row to go on with: 0 at the end.
 */
export function dirtyRows(
  engine: Sharded,
  number: number,
  from: number,
  looks: number,
  max: number,
): { rows: Int32Array; next: number } {
  const shard = engine.shard(number);
  return shard.locked(() => {
    const { rows, words } = shard;
    const list = ownWords(2 * max);
    const end = Math.min(words[W_HIGH_WATER], from + looks);
    let count = 0;
    let row = from;
    for (; row < end && count < list.length; row++) {
      const at = rows.at(row);
      if ((words[at + STATE] & (KIND_MASK | STATE_CLEAN)) !== KIND_ENTRY) continue;
      list[count++] = row;
      list[count++] = words[at + VERSION];
    }
    return { rows: list.subarray(0, count), next: row < words[W_HIGH_WATER] ? row : 0 };
  });
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
