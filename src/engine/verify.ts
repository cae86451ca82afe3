import { assert, ownBytes } from "../base/index.ts";
import type { Pool } from "../pool/index.ts";
import { bytesTouched } from "./budget.ts";
import type { ShardParts } from "./parts.ts";
import {
  BUCKETS_AT,
  BUCKETS_MIN,
  bucketOf,
  F_ORIGINAL_BYTES,
  F_POOL_TOUCHED,
  F_STORED_BYTES,
  FRAGMENT_BYTES,
  HASH_NEXT,
  KIND_ENTRY,
  KIND_FREE,
  KIND_MASK,
  LENGTH,
  NAME,
  STATE,
  STATE_CLEAN,
  STATE_EXPIRES,
  STATE_RAW,
  STATE_SAME_FILLED,
  STORED,
  W_BUCKETS,
  W_BUCKETS_USED,
  W_CLEAN,
  W_ENTRIES,
  W_EXPIRIES,
  W_FRAGMENTS,
  W_FREE,
  W_HIGH_WATER,
  W_RAW,
  W_ROWLESS,
  W_ROWLESS_MAX,
  W_ROWS_END,
  W_SAME_FILLED,
} from "./table.ts";

/** What the entries come to. */
type Sums = ReturnType<typeof noSums>;

function noSums() {
  return {
    entries: 0,
    fragments: 0,
    rowless: 0,
    same: 0,
    raw: 0,
    clean: 0,
    expiring: 0,
    original: 0,
    stored: 0,
  };
}

/**
 * Checks E1 to E6 of table.ts, the pools beneath, and the limit. Throws `ECORRUPT`. Expects the lock.
 *
 * @param verifyPool - checks a pool.
 */
export function verifyShard(shard: ShardParts, verifyPool: (pool: Pool) => void): void {
  const { rows, words, floats, queue } = shard;
  const pools = shard.pools.list;
  const high = words[W_HIGH_WATER];
  const used = ownBytes(high);
  used[0] = 1;
  const sums = noSums();
  const named = pools.map(() => new Set<number>());
  let previous = 0;
  for (let row = queue.first(); row !== 0; row = queue.after(row)) {
    assert(row > 0 && row < high && used[row] === 0, `row ${row} is on the LRU twice, or none`);
    used[row] = 1;
    const at = rows.at(row);
    assert(queue.before(row) === previous, `row ${row} of the LRU does not know the one before`);
    previous = row;
    const state = words[at + STATE];
    assert((state & KIND_MASK) === KIND_ENTRY, `row ${row} is on the LRU and no entry`);
    sums.entries++;
    sums.original += words[at + LENGTH];
    const bytes = words[at + STORED] + (words[at + NAME] & 0xffff) + (words[at + NAME] >>> 16);
    sums.stored += bytes;
    if ((state & STATE_RAW) !== 0) sums.raw++;
    if ((state & STATE_CLEAN) !== 0) sums.clean++;
    if ((state & STATE_EXPIRES) !== 0) sums.expiring++;
    if ((state & STATE_SAME_FILLED) !== 0) sums.same++;
    else verifyFragments(shard, row, bytes, used, named, sums);
  }
  assert(queue.last() === previous, "the LRU's tail is not its last entry");
  const disorder = shard.eviction.fault();
  assert(disorder === null, `eviction: ${disorder}`);
  verifyChains(shard, used);
  for (let row = words[W_FREE]; row !== 0; row = words[rows.at(row) + HASH_NEXT]) {
    assert(row > 0 && row < high && used[row] === 0, `free row ${row} is in use, or free twice`);
    assert((words[rows.at(row) + STATE] & KIND_MASK) === KIND_FREE, `free row ${row} says that it is not`);
    used[row] = 1;
  }
  for (let row = words[W_ROWS_END]; row < high; row++) {
    if ((words[rows.at(row) + STATE] & KIND_MASK) === KIND_FREE) used[row] = 1;
  }
  assert(!used.includes(0), `row ${used.indexOf(0)} is neither in use nor free`);
  verifySums(shard, sums);
  if (shard.expiries !== null) {
    assert(words[W_EXPIRIES] === sums.expiring, "entries that expire are counted wrong");
    const fault = shard.expiries.fault();
    assert(fault === null, `expiries: ${fault}`);
  }
  for (const [number, pool] of pools.entries()) {
    verifyPool(pool.pool);
    let objects = 0;
    pool.pool.objects((handle) => {
      assert(named[number].has(handle), `an object of pool ${pool.type} belongs to no entry`);
      objects++;
    });
    const isCounted = pool.bytesHeld <= floats[F_POOL_TOUCHED + number];
    assert(isCounted, `more pages of pool ${pool.type} are in use than ever were`);
    assert(objects === named[number].size, `an entry names an object that pool ${pool.type} has not`);
  }
  verifyLimit(shard);
}

/** E4. */
function verifySums({ words, floats }: ShardParts, sums: Sums): void {
  assert(words[W_ENTRIES] === sums.entries, `${words[W_ENTRIES]} entries counted, ${sums.entries} there`);
  assert(
    words[W_FRAGMENTS] === sums.fragments,
    `${words[W_FRAGMENTS]} fragments counted, ${sums.fragments} there`,
  );
  assert(words[W_ROWLESS] === sums.rowless, "objects without a row are counted wrong");
  assert(sums.rowless <= words[W_ROWLESS_MAX], "there are more objects without a row than ever were");
  assert(words[W_SAME_FILLED] === sums.same, "same-filled entries are counted wrong");
  assert(words[W_RAW] === sums.raw, "raw entries are counted wrong");
  assert(words[W_CLEAN] === sums.clean, "clean entries are counted wrong");
  assert(floats[F_ORIGINAL_BYTES] === sums.original, "the sum of lengths is wrong");
  assert(floats[F_STORED_BYTES] === sums.stored, "the sum of stored bytes is wrong");
}

function verifyLimit({ budget, words, floats, pools }: ShardParts): void {
  const poolBytes = pools.bytesTouched;
  const touched = bytesTouched(budget, words, floats, poolBytes);
  assert(touched <= budget.bytes, `${touched} bytes are in use, the limit is ${budget.bytes}`);
}

/** Counts the fragments beside the first. */
function verifyFragments(
  shard: ShardParts,
  row: number,
  bytes: number,
  used: Uint8Array,
  named: readonly Set<number>[],
  sums: Sums,
): void {
  const { rows, words, fragments } = shard;
  const pool = fragments.poolOf(row);
  const names = named[shard.pools.list.indexOf(pool)];
  let sum = 0;
  for (let fragment = row; fragment !== 0; fragment = fragments.nextOf(fragment)) {
    const handle = fragments.handleIn(pool, fragment);
    if (fragment < 0) {
      sums.rowless++;
    } else if (fragment !== row) {
      assert(used[fragment] === 0, `fragment ${fragment} is in use twice`);
      used[fragment] = 1;
      sums.fragments++;
    }
    assert(!names.has(handle), `the object of row ${fragment} is named twice`);
    names.add(handle);
    pool.open(handle);
    const bytesHere = pool.objectBytes - shard.pools.headerBytes;
    const isTold = fragment < 0 || words[rows.at(fragment) + FRAGMENT_BYTES] <= bytesHere;
    assert(isTold, `row ${fragment} has a shorter object than it says`);
    sum += fragment < 0 ? bytesHere : words[rows.at(fragment) + FRAGMENT_BYTES];
  }
  assert(sum === bytes, `the fragments of row ${row} have ${sum} bytes, not ${bytes}`);
}

function verifyChains(shard: ShardParts, used: Uint8Array): void {
  const { rows, words } = shard;
  let chained = 0;
  const usedBuckets = words[W_BUCKETS_USED];
  assert(usedBuckets >= BUCKETS_MIN && usedBuckets <= words[W_BUCKETS], `${usedBuckets} buckets are in use`);
  for (let bucket = 0; bucket < usedBuckets; bucket++) {
    for (let row = words[BUCKETS_AT + bucket]; row !== 0; row = words[rows.at(row) + HASH_NEXT]) {
      assert(used[row] === 1 && ++chained <= used.length, `the chain of bucket ${bucket} holds row ${row}`);
      const right = bucketOf(shard.hashOfRow(row), usedBuckets);
      assert(right === bucket, `row ${row} is in bucket ${bucket}, not in ${right}`);
    }
  }
  assert(chained === words[W_ENTRIES], `${chained} entries in hash chains, ${words[W_ENTRIES]} counted`);
}
