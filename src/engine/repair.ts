import { type Handle, ownBytes } from "../base/index.ts";
import type { ShardParts } from "./parts.ts";
import {
  BUCKETS_AT,
  EPOCHS,
  EPOCHS_AT,
  F_ORIGINAL_BYTES,
  F_STORED_BYTES,
  K0,
  K1,
  KIND_ENTRY,
  KIND_MASK,
  NAME,
  NO_END,
  STATE,
  STATE_SAME_FILLED,
  STATE_WRITING,
  VERSION,
  W_BUCKETS_USED,
  W_CLEAN,
  W_ENTRIES,
  W_FRAGMENTS,
  W_FREE,
  W_HIGH_WATER,
  W_RAW,
  W_ROWLESS,
  W_ROWS_END,
  W_SAME_FILLED,
} from "./table.ts";

/**
 * Makes a shard whole after a thread died at any instruction in its lock, from what is never half written: the
 * states of the rows. A row says *entry* only after everything of it was written and before anything of it is
 * taken away. So what is found are whole entries, the others were on their way in or out and are gone; of two
 * of one name (a value that was being compressed anew) the later one is kept.
 *
 * All links, counts, sums, expiries and the secondary index's lists are built anew; objects that no row names are
 * freed. Entries keep their order as far as its links still tell. May be cut off anywhere and run again.
 */
export function repairShard(shard: ShardParts): void {
  const { rows, words, layout, queue, expiries, fragments } = shard;
  const pools = shard.pools.list;
  const { secondaryIndex } = shard.hooks;
  shard.pools.recover();
  const high = words[W_HIGH_WATER];
  const isEntry = ownBytes(high);
  for (let row = 1; row < high; row++) {
    if ((words[rows.at(row) + STATE] & KIND_MASK) === KIND_ENTRY) isEntry[row] = 1;
  }
  const order = queue.rebuilt(isEntry);

  words.fill(0, BUCKETS_AT, BUCKETS_AT + words[W_BUCKETS_USED]);
  for (const count of [W_ENTRIES, W_FRAGMENTS, W_ROWLESS, W_SAME_FILLED, W_RAW, W_CLEAN]) words[count] = 0;
  shard.floats[F_ORIGINAL_BYTES] = 0;
  shard.floats[F_STORED_BYTES] = 0;
  queue.clear();
  expiries?.clear();
  secondaryIndex?.reset(words, layout.secondaryIndexAt, layout.maxRows + 1, words[W_HIGH_WATER]);

  const named: Set<number>[] = pools.map(() => new Set());
  const inUse = ownBytes(high);
  for (let i = order.length - 1; i >= 0; i--) {
    const row = order[i];
    const at = rows.at(row);
    words[at + STATE] &= ~STATE_WRITING;
    const rival = rivalOf(shard, row);
    if (rival !== 0) {
      if (((words[at + VERSION] - words[rows.at(rival) + VERSION]) | 0) < 0) continue;
      for (let fragment = rival; fragment > 0; fragment = fragments.nextOf(fragment)) inUse[fragment] = 0;
      shard.dropRow(rival);
    }
    rows.link(row, shard.hashOfRow(row));
    shard.eviction.inserted(row);
    shard.account(row, 1);
    inUse[row] = 1;
    if ((words[at + STATE] & STATE_SAME_FILLED) !== 0) continue;
    const pool = fragments.poolOf(row);
    const names = named[pools.indexOf(pool)];
    names.add(fragments.handleOf(row));
    for (let fragment = fragments.nextOf(row); fragment !== 0; fragment = fragments.nextOf(fragment)) {
      names.add(fragments.handleIn(pool, fragment));
      if (fragment > 0) inUse[fragment] = 1;
      words[fragment > 0 ? W_FRAGMENTS : W_ROWLESS]++;
    }
  }
  words[W_FREE] = 0;
  words[W_ROWS_END] = NO_END;
  for (let row = high - 1; row > 0; row--) if (inUse[row] === 0) rows.release(row);
  shard.eviction.repair();
  for (const [number, pool] of pools.entries()) {
    pool.pool.objects((handle: Handle) => {
      if (!named[number].has(handle)) pool.pool.free(handle);
    });
  }
  shard.pools.settle();
  for (let i = 0; i < EPOCHS; i++) words[EPOCHS_AT + i] = (words[EPOCHS_AT + i] + 1) & 0x7fffffff;
}

/** The entry of the same name that was linked before, or 0. */
function rivalOf(shard: ShardParts, row: number): number {
  const { rows, words, fragments } = shard;
  const at = rows.at(row);
  const prefixLength = words[at + NAME] & 0xffff;
  const prefix = ownBytes(prefixLength);
  fragments.read(row, 0, prefixLength, prefix, 0);
  return shard.find(words[at + K0], words[at + K1], shard.hashOfRow(row), prefix, prefixLength);
}
