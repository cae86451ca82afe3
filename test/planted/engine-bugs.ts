/** Bugs to plant in the engine. */

import type { PlantedBug } from "./planted-bug.ts";

const ENGINE = "src/engine/engine.ts";
const READER = "src/engine/value-reader.ts";
const REPAIR = "src/engine/repair.ts";
const SHARD = "src/engine/shard.ts";
const POOLS = "src/engine/shard-pools.ts";
const WRITEBACK = "src/engine/writeback-marks.ts";
const LRU = "src/engine/eviction/lru.ts";
const SIEVE = "src/engine/eviction/sieve.ts";
const BUDGET = "src/engine/budget.ts";

export const ENGINE_BUGS: readonly PlantedBug[] = [
  {
    name: "engine: a value that is refused leaves the older one",
    file: ENGINE,
    find: "return this.#remove(k0, k1, prefix, prefixLength, REPLACED, counter, guard) < 0",
    replace: "return this.#remove(~k0, ~k1, prefix, prefixLength, REPLACED, counter, guard) < 0",
  },
  {
    name: "engine: an overwritten value stays behind the new one",
    file: ENGINE,
    find: "        if (old !== 0) shard.removeRow(old, REPLACED);\n",
    replace: "",
  },
  {
    name: "engine: a lookup does not make an entry the most recently used one",
    file: ENGINE,
    find: "        if (touch && (isHit || kind !== Look.withExpired)) shard.used(row);\n",
    replace: "",
  },
  {
    name: "engine: the most recently used entry is evicted",
    file: LRU,
    find: "    return this.#queue.last();",
    replace: "    return this.#queue.first();",
  },
  {
    name: "engine: writeback begins with the most recently used entry",
    file: WRITEBACK,
    find: "for (let row = queue.last(); row !== 0 && taken + evicted < max; ) {\n    const before = queue.before(row);",
    replace:
      "for (let row = queue.first(); row !== 0 && taken + evicted < max; ) {\n    const before = queue.after(row);",
  },
  {
    name: "engine: a value whose last word differs passes for same-filled",
    file: ENGINE,
    find: "isFilled(value, length)",
    replace: "isFilled(value, length - 8)",
  },
  {
    name: "engine: the second half of the word that fills a value is forgotten",
    file: ENGINE,
    find: "wordAt(value, 4)",
    replace: "wordAt(value, 0)",
  },
  {
    name: "engine: a same-filled value counts an object",
    file: SHARD,
    find: "    else words[W_FRAGMENTS] -= this.fragments.free(pool, row) - 1;",
    replace: "    else words[W_FRAGMENTS] -= this.fragments.free(pool, row);",
  },
  {
    name: "engine: an entry expires a millisecond late",
    file: SHARD,
    find: "deadlineOf(row) > now) return row;",
    replace: "deadlineOf(row) >= now) return row;",
  },
  {
    name: "engine: the end of a write settles whatever value is in the row by then",
    file: SHARD,
    find: " && this.words[at + VERSION] === version;",
    replace: " && version === version;",
  },
  {
    name: "engine: an entry whose write failed counts as clean",
    file: WRITEBACK,
    find: '  if (outcome === "failed") return true;\n',
    replace: "",
  },
  {
    name: "engine: an entry that is on its way is taken again",
    file: WRITEBACK,
    find: "if ((shard.rows.stateOf(list[at]) & (STATE_CLEAN | STATE_WRITING)) !== 0) continue;",
    replace: "if ((shard.rows.stateOf(list[at]) & STATE_CLEAN) !== 0) continue;",
  },
  {
    name: "engine: a value that is compressed anew becomes the most recently used one",
    file: SHARD,
    find: "    this.eviction.replaced(old, row);\n",
    replace: "    this.eviction.inserted(row);\n",
  },
  {
    name: "engine: a clean value that is compressed anew is dirty",
    file: SHARD,
    find: "words[from + STATE] & (STATE_EXPIRES | STATE_CLEAN | STATE_EVICTION);",
    replace: "words[from + STATE] & (STATE_EXPIRES | STATE_EVICTION);",
  },
  {
    name: "engine: half of the shards get no entry",
    file: ENGINE,
    find: "? 0 : hash >>> this.#shardShift];",
    replace: "? 0 : (hash >>> this.#shardShift) >>> 1];",
  },
  {
    name: "engine: a change does not count for what is read back",
    file: SHARD,
    find: "    this.words[at] = (this.words[at] + 1) & 0x7fffffff;",
    replace: "    this.words[at] = this.words[at] & 0x7fffffff;",
  },
  {
    name: "engine: a value that decompressed to less passes",
    file: READER,
    find: "      if (written !== length) {",
    replace: "      if (written > length) {",
  },
  {
    name: "engine: rows beyond the reserved ones do not count against the pages",
    file: BUDGET,
    find: "const rows = Math.max(rowsWanted(budget, words, floats), words[W_HIGH_WATER] - 1);",
    replace: "const rows = rowsWanted(budget, words, floats);",
  },
  {
    name: "engine: the memory of another pool does not count",
    file: POOLS,
    find: "number < this.list.length; number++) bytes += this.#floats[F_POOL_TOUCHED + number];",
    replace: "number < 1; number++) bytes += this.#floats[F_POOL_TOUCHED + number];",
  },
  {
    name: "engine: entries stay in a pool that is used no more",
    file: "src/engine/migration.ts",
    find: "      if (this.#isElsewhere(row) && !this.#move(row)) {",
    replace: "      if (this.#isElsewhere(row) && row < 0) {",
  },
  {
    name: "engine: a step of a walk leaves out the row where the last one ended",
    file: WRITEBACK,
    find: "next: row < words[W_HIGH_WATER] ? row : 0",
    replace: "next: row + 1 < words[W_HIGH_WATER] ? row + 1 : 0",
  },
  {
    name: "engine: an eviction that the hook refused happens all the same",
    file: SHARD,
    find: "    if (onEvict(this.#victim)) return true;",
    replace: "    if (onEvict(this.#victim) || this.number >= 0) return true;",
  },
  {
    name: "engine: by SIEVE, an entry that goes under the hand takes it along",
    file: SIEVE,
    find: "    if (this.#words[W_HAND] === row) this.#words[W_HAND] = this.#queue.before(row);\n",
    replace: "",
  },
  {
    name: "engine: by SIEVE, the hand spares nobody",
    file: SIEVE,
    find: "if ((words[state] & VISITED) === 0 || spared === SPARED_MAX) return row;",
    replace: "if ((words[state] & VISITED) === 0 || spared >= 0) return row;",
  },
  {
    name: "engine: a repair frees the rest of an entry that has no row for it",
    file: REPAIR,
    find: "      names.add(fragments.handleIn(pool, fragment));",
    replace: "      if (fragment > 0) names.add(fragments.handleIn(pool, fragment));",
  },
  {
    name: "engine: an entry that is moved is trusted anew",
    file: SHARD,
    find: "if (((version - words[W_MARKED]) | 0) > 0) {",
    replace: "if (version !== 0) {",
  },
];
