import { ownWords } from "../base/index.ts";
import { EVICTED } from "./parts.ts";
import type { Shard } from "./shard.ts";
import {
  F_LIMIT,
  F_LIMIT_HIT,
  KIND_ENTRY,
  KIND_MASK,
  NAME,
  STATE,
  STATE_CLEAN,
  STATE_EVICTION,
  STATE_WRITING,
  STORED,
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

/** Share of a limit from which on something will be evicted soon. */
const NEARLY_FULL = 0.9;
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

/** Of a list of rows and versions, those that are on their way to the backing store, and not there. */
export function rowsBeingWritten(engine: Sharded, number: number, list: Int32Array): Int32Array {
  const shard = engine.shard(number);
  return shard.locked(() => {
    return list.filter((_, i) => {
      const at = i & ~1;
      if (!shard.isCurrent(list[at], list[at + 1])) return false;
      return (shard.rows.stateOf(list[at]) & (STATE_CLEAN | STATE_WRITING)) === STATE_WRITING;
    });
  });
}

/** Takes the marks off entries that are on their way, so that they can be written by another. */
export function unmark(engine: Sharded, number: number, list: Int32Array): void {
  for (let at = 0; at < list.length; at += 2) endWriteback(engine, number, list[at], list[at + 1], "failed");
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

/** What {@link startWritingAhead} does while it has the lock. */
export interface AheadLimits {
  /** Entries that it looks at, at most: those that go first. */
  readonly looks: number;
  /** Share of those that there are, 0 to 1. */
  readonly share: number;
  /** Entries that it takes, at most, and their bytes. */
  readonly max: number;
  readonly maxBytes: number;
}

/**
 * Takes entries that will be evicted soon and that the backing store has not, if the shard is nearly full or was full
 * before: marked as being written, each given to `take` with its bytes, in one record that is filled again and again.
 * Nothing is evicted. What SIEVE would spare is passed over.
 *
 * @returns how many were taken.
 */
export function startWritingAhead(
  engine: Sharded,
  number: number,
  limits: AheadLimits,
  take: (entry: FoundEntry) => void,
): number {
  const shard = engine.shard(number);
  return shard.locked(() => (isNearlyFull(shard) ? takeAhead(shard, limits, take) : 0));
}

function isNearlyFull({ words, floats, budget, bytesLive }: Shard): boolean {
  return (
    floats[F_LIMIT_HIT] > 0 ||
    bytesLive > NEARLY_FULL * floats[F_LIMIT] ||
    words[W_ENTRIES] > NEARLY_FULL * budget.maxEntries
  );
}

function takeAhead(shard: Shard, limits: AheadLimits, take: (entry: FoundEntry) => void): number {
  const { queue, rows, words } = shard;
  let looks = Math.min(limits.looks, Math.ceil(words[W_ENTRIES] * limits.share));
  let bytes = 0;
  let taken = 0;
  for (let row = shard.eviction.start(); row !== 0 && looks > 0 && taken < limits.max; looks--) {
    const before = queue.before(row);
    const state = rows.stateOf(row);
    if ((state & (STATE_CLEAN | STATE_WRITING | STATE_EVICTION)) === 0) {
      shard.startWriting(row, take);
      taken++;
      bytes += words[rows.at(row) + STORED];
      if (bytes >= limits.maxBytes) break;
    }
    row = before;
  }
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
  // It got another time to live meanwhile, which the copy has not, or a thread died and all marks were taken away.
  if ((words[state] & STATE_WRITING) === 0) return false;
  words[state] &= ~STATE_WRITING;
  if (outcome === "failed") return true;
  if ((words[state] & STATE_CLEAN) === 0) words[W_CLEAN]++;
  words[state] |= STATE_CLEAN;
  if (outcome === "evict") shard.removeRow(row, EVICTED);
  return true;
}

/**
 * Gives each value that a list names, and that is still there, to `write` with its bytes, in one record that is filled
 * again and again: for a backing store that writes before it returns. Those that it says are written are clean from
 * then on. All under the lock, so of a few at a time.
 *
 * @param withClean - whether those that are clean are given too.
 */
export function writeListed(
  engine: Sharded,
  number: number,
  list: Int32Array,
  withClean: boolean,
  write: (entry: FoundEntry) => boolean,
): void {
  const shard = engine.shard(number);
  shard.locked(() => {
    for (let at = 0; at < list.length; at += 2) {
      const row = list[at];
      if (!shard.isCurrent(row, list[at + 1])) continue;
      if (!withClean && (shard.rows.stateOf(row) & STATE_CLEAN) !== 0) continue;
      let isWritten = false;
      shard.startWriting(row, (entry) => {
        isWritten = write(entry);
      });
      ended(shard, row, list[at + 1], isWritten ? "clean" : "failed");
    }
  });
}

/** Bytes of the values that a list names, with their names; 0 for those that are gone. */
export function listedBytes(engine: Sharded, number: number, list: Int32Array): Float64Array {
  const shard = engine.shard(number);
  return shard.locked(() => {
    const { words, rows } = shard;
    return Float64Array.from({ length: list.length / 2 }, (_, i) => {
      if (!shard.isCurrent(list[2 * i], list[2 * i + 1])) return 0;
      const at = rows.at(list[2 * i]);
      return words[at + STORED] + (words[at + NAME] & 0xffff) + (words[at + NAME] >>> 16);
    });
  });
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
