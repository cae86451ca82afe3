/** Bugs to plant in the engine. */

import type { PlantedBug } from "./planted-bug.ts";

const ENGINE = "src/engine/engine.ts";
const UPKEEP = "src/engine/upkeep.ts";
const SHARD = "src/engine/shard.ts";
const BOOKS = "src/engine/books.ts";
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
    find: "        if (touch && (isHit || look !== Look.withExpired)) shard.touch(row);\n",
    replace: "",
  },
  {
    name: "engine: the most recently used entry is evicted",
    file: SHARD,
    find: "this.sieve === null ? this.rows.last() :",
    replace: "this.sieve === null ? this.words[this.rows.at(0) + 1] :",
  },
  {
    name: "engine: writeback begins with the most recently used entry",
    file: SHARD,
    find: "for (let row = this.rows.last(); row !== 0 && taken + evicted < max; ) {\n      const before = this.rows.before(row);",
    replace:
      "for (let row = this.words[this.rows.at(0) + 1]; row !== 0 && taken + evicted < max; ) {\n      const before = this.words[this.rows.at(row) + 1];",
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
    file: BOOKS,
    find: "    else words[W_FRAGMENTS] -= this.fragments.free(pool, row) - 1;",
    replace: "    else words[W_FRAGMENTS] -= this.fragments.free(pool, row);",
  },
  {
    name: "engine: an entry expires a millisecond late",
    file: BOOKS,
    find: "deadlineOf(row) > now) return row;",
    replace: "deadlineOf(row) >= now) return row;",
  },
  {
    name: "engine: the end of a write settles whatever value is in the row by then",
    file: BOOKS,
    find: " && this.words[at + VERSION] === version;",
    replace: " && version === version;",
  },
  {
    name: "engine: an entry whose write failed counts as clean",
    file: UPKEEP,
    find: '      if (outcome === "failed") return true;\n',
    replace: "",
  },
  {
    name: "engine: an entry that is on its way is taken again",
    file: SHARD,
    find: "if ((this.rows.stateOf(list[at]) & (STATE_CLEAN | STATE_WRITING)) !== 0) continue;",
    replace: "if ((this.rows.stateOf(list[at]) & STATE_CLEAN) !== 0) continue;",
  },
  {
    name: "engine: a value that is compressed anew becomes the most recently used one",
    file: SHARD,
    find: "    this.rows.moveBehind(row, old);\n",
    replace: "",
  },
  {
    name: "engine: a clean value that is compressed anew is dirty",
    file: SHARD,
    find: "words[from + STATE] & (STATE_EXPIRES | STATE_CLEAN | STATE_VISITED);",
    replace: "words[from + STATE] & (STATE_EXPIRES | STATE_VISITED);",
  },
  {
    name: "engine: half of the shards get no entry",
    file: ENGINE,
    find: "? 0 : hash >>> this.#shardShift];",
    replace: "? 0 : (hash >>> this.#shardShift) >>> 1];",
  },
  {
    name: "engine: a change does not count for what is read back",
    file: BOOKS,
    find: "    this.words[at] = (this.words[at] + 1) & 0x7fffffff;",
    replace: "    this.words[at] = this.words[at] & 0x7fffffff;",
  },
  {
    name: "engine: a value that decompressed to less passes",
    file: UPKEEP,
    find: "      if (written !== length) {",
    replace: "      if (written > length) {",
  },
  {
    name: "engine: rows beyond the reserved ones do not count against the pages",
    file: BUDGET,
    find: "const rows = Math.max(budget.rowsReserved, highWater - 1);",
    replace: "const rows = budget.rowsReserved;",
  },
  {
    name: "engine: the memory of another pool does not count",
    file: BOOKS,
    find: "number < this.pools.length; number++) bytes += this.floats[F_POOL_TOUCHED + number];",
    replace: "number < 1; number++) bytes += this.floats[F_POOL_TOUCHED + number];",
  },
  {
    name: "engine: entries stay in a pool that is used no more",
    file: "src/engine/drain.ts",
    find: "      if (this.#isElsewhere(row) && !this.#move(row)) {",
    replace: "      if (this.#isElsewhere(row) && row < 0) {",
  },
  {
    name: "engine: a step of a walk leaves out the row where the last one ended",
    file: UPKEEP,
    find: "next: row < words[W_HIGH_WATER] ? row : 0",
    replace: "next: row + 1 < words[W_HIGH_WATER] ? row + 1 : 0",
  },
  {
    name: "engine: an eviction that the hook refused happens all the same",
    file: SHARD,
    find: "    if (onEvict(this.victim)) return true;",
    replace: "    if (onEvict(this.victim) || this.number >= 0) return true;",
  },
];
