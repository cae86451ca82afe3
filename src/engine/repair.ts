import { type Handle, ownBytes, ownWords } from "../base/index.ts";
import type { ShardBooks } from "./books.ts";
import {
  BUCKETS_AT,
  EPOCHS,
  EPOCHS_AT,
  F_ORIGINAL_BYTES,
  F_POOL_TOUCHED,
  F_STORED_BYTES,
  K0,
  K1,
  KIND_ENTRY,
  KIND_MASK,
  LRU_NEXT,
  LRU_PREV,
  NAME,
  NEXT_FRAGMENT,
  STATE,
  STATE_SAME_FILLED,
  STATE_WRITING,
  VERSION,
  W_BUCKETS,
  W_CLEAN,
  W_ENTRIES,
  W_FRAGMENTS,
  W_FREE,
  W_HAND,
  W_HIGH_WATER,
  W_RAW,
  W_SAME_FILLED,
} from "./table.ts";
import type { SecondaryIndex } from "./types.ts";

/**
 * Makes a shard whole after a thread died at any instruction in its lock, from what is never half written: the
 * states of the rows. A row says *entry* only after everything of it was written and before anything of it is
 * taken away. So what is found are whole entries, the others were on their way in or out and are gone; of two
 * of one name (a value that was being compressed anew) the later one is kept.
 *
 * All links, counts, sums, expiries and the secondary index's lists are built anew; objects that no row names are
 * freed. The LRU keeps its order as far as its links still tell. May be cut off anywhere and run again.
 */
export function repairShard(shard: ShardBooks, secondaryIndex: SecondaryIndex | null): void {
  const { rows, words, expiries, fragments } = shard;
  for (const [number, pool] of shard.pools.entries()) {
    pool?.pool.recover();
    // A page may have been taken and not counted yet.
    const touched = F_POOL_TOUCHED + number;
    shard.floats[touched] = Math.max(shard.floats[touched], pool?.bytesUsed ?? 0);
  }
  const high = words[W_HIGH_WATER];
  const isEntry = ownBytes(high);
  for (let row = 1; row < high; row++) {
    if ((words[rows.at(row) + STATE] & KIND_MASK) === KIND_ENTRY) isEntry[row] = 1;
  }
  const order = rebuiltLru(shard, isEntry);

  words.fill(0, BUCKETS_AT, BUCKETS_AT + words[W_BUCKETS]);
  for (const count of [W_ENTRIES, W_FRAGMENTS, W_SAME_FILLED, W_RAW, W_CLEAN]) words[count] = 0;
  shard.floats[F_ORIGINAL_BYTES] = 0;
  shard.floats[F_STORED_BYTES] = 0;
  words[rows.at(0) + LRU_NEXT] = 0;
  words[rows.at(0) + LRU_PREV] = 0;
  expiries?.clear();
  secondaryIndex?.reset(words, shard.secondaryIndexAt, shard.secondaryIndexRows);

  const named: Set<number>[] = shard.pools.map(() => new Set());
  const inUse = ownBytes(high);
  for (let i = order.length - 1; i >= 0; i--) {
    const row = order[i];
    const at = rows.at(row);
    words[at + STATE] &= ~STATE_WRITING;
    const rival = rivalOf(shard, row);
    if (rival !== 0) {
      if (((words[at + VERSION] - words[rows.at(rival) + VERSION]) | 0) < 0) continue;
      for (let fragment = rival; fragment !== 0; fragment = words[rows.at(fragment) + NEXT_FRAGMENT])
        inUse[fragment] = 0;
      shard.dropRow(rival);
    }
    rows.link(row, shard.hashOfRow(row));
    shard.account(row, 1);
    inUse[row] = 1;
    if ((words[at + STATE] & STATE_SAME_FILLED) !== 0) continue;
    const names = named[shard.pools.indexOf(fragments.poolOf(row))];
    names.add(fragments.handleOf(row));
    for (
      let fragment = words[at + NEXT_FRAGMENT];
      fragment !== 0;
      fragment = words[rows.at(fragment) + NEXT_FRAGMENT]
    ) {
      names.add(fragments.handleOf(fragment));
      inUse[fragment] = 1;
      words[W_FRAGMENTS]++;
    }
  }
  words[W_FREE] = 0;
  for (let row = high - 1; row > 0; row--) if (inUse[row] === 0) rows.release(row);
  const hand = words[W_HAND];
  if (hand <= 0 || hand >= high || (rows.stateOf(hand) & KIND_MASK) !== KIND_ENTRY) words[W_HAND] = 0;
  for (const [number, pool] of shard.pools.entries()) {
    pool?.pool.objects((handle: Handle) => {
      if (!named[number].has(handle)) pool.pool.free(handle);
    });
  }
  for (let i = 0; i < EPOCHS; i++) words[EPOCHS_AT + i] = (words[EPOCHS_AT + i] + 1) & 0x7fffffff;
}

/** The entry of the same name that was linked before, or 0. */
function rivalOf(shard: ShardBooks, row: number): number {
  const { rows, words, fragments } = shard;
  const at = rows.at(row);
  const prefixLength = words[at + NAME] & 0xffff;
  const prefix = ownBytes(prefixLength);
  fragments.read(row, 0, prefixLength, prefix, 0);
  return shard.find(words[at + K0], words[at + K1], shard.hashOfRow(row), prefix, prefixLength);
}

/**
 * The entries, most recently used first: those that can be reached from the LRU's head, then those that cannot
 * be reached, then those that can be reached from its tail.
 */
function rebuiltLru(shard: ShardBooks, isEntry: Uint8Array): Int32Array {
  const { rows, words } = shard;
  const high = isEntry.length;
  const taken = ownBytes(high);
  const follow = (link: number, into: Int32Array): number => {
    let count = 0;
    for (let row = words[rows.at(0) + link]; ; row = words[rows.at(row) + link]) {
      const isThere = row > 0 && row < high && isEntry[row] === 1 && taken[row] === 0;
      if (!isThere) return count;
      taken[row] = 1;
      into[count++] = row;
    }
  };
  const fromHead = ownWords(high);
  const fromTail = ownWords(high);
  const headCount = follow(LRU_NEXT, fromHead);
  const tailCount = follow(LRU_PREV, fromTail);
  const order = ownWords(high);
  order.set(fromHead.subarray(0, headCount));
  let count = headCount;
  for (let row = 1; row < high; row++) if (isEntry[row] === 1 && taken[row] === 0) order[count++] = row;
  order.set(fromTail.subarray(0, tailCount).reverse(), count);
  return order.subarray(0, count + tailCount);
}
