/**
 * Bugs to plant, one at a time, in a copy of the project: the suite must notice each. A bug is a change of
 * text; the text that it replaces must be there once, so a bug that the code has outgrown is noticed too.
 */

import { CACHE_BUGS } from "./cache-bugs.ts";
import { ENGINE_BUGS } from "./engine-bugs.ts";
import { LOAD_BUGS } from "./load-bugs.ts";
import { LOG_BUGS } from "./log-bugs.ts";
import { MACHINE_BUGS } from "./machine-bugs.ts";
import { MEMORY_BUGS } from "./memory-bugs.ts";
import type { PlantedBug } from "./planted-bug.ts";
import { PROCESS_BUGS } from "./process-bugs.ts";
import { SIZE_CLASSES_BUGS } from "./size-classes-bugs.ts";
import { SLOTS_BUGS } from "./slots-bugs.ts";
import { STORE_BUGS } from "./store-bugs.ts";
import { ZSMALLOC_BUGS } from "./zsmalloc-bugs.ts";

const ALLOCATOR = "src/drivers/zbud/allocator.ts";
const POOL = "src/pool/pool.ts";
const RECLAIMS = "src/pool/reclaims.ts";
const PLACES = "src/drivers/zbud/places.ts";

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...SIZE_CLASSES_BUGS,
  ...MEMORY_BUGS,
  ...PROCESS_BUGS,
  {
    name: "a page is put at the tail of its list, not at the head",
    file: ALLOCATOR,
    find: `    const next = table[head | LIST_NEXT];
    table[row | LIST_NEXT] = next;
    table[row | LIST_PREV] = head;
    table[next | LIST_PREV] = row;
    table[head | LIST_NEXT] = row;`,
    replace: `    const prev = table[head | LIST_PREV];
    table[row | LIST_PREV] = prev;
    table[row | LIST_NEXT] = head;
    table[prev | LIST_NEXT] = row;
    table[head | LIST_PREV] = row;`,
  },
  {
    name: "the search begins one list too far",
    file: ALLOCATOR,
    find: `      const beyond = (31 - chunks) >> 31;
      const low = Math.clz32(table[W_BITMAP] & (ALL_BITS >>> chunks) & ~beyond);
      const high = Math.clz32(table[W_BITMAP + 1] & (ALL_BITS >>> ((chunks - 32) & beyond)));`,
    replace: `      const from = chunks + 1;
      const beyond = (31 - from) >> 31;
      const low = Math.clz32(table[W_BITMAP] & (ALL_BITS >>> from) & ~beyond);
      const high = Math.clz32(table[W_BITMAP + 1] & (ALL_BITS >>> ((from - 32) & beyond)));`,
  },
  {
    name: "the search begins one list too early",
    file: ALLOCATOR,
    find: "const low = Math.clz32(table[W_BITMAP] & (ALL_BITS >>> chunks) & ~beyond);",
    replace: "const low = Math.clz32(table[W_BITMAP] & (ALL_BITS >>> (chunks - 1)) & ~beyond);",
  },
  {
    name: "the search ends before the last list",
    file: ALLOCATOR,
    find: "if (list < this.#chunkCount) {",
    replace: "if (list < this.#chunkCount - 2) {",
  },
  {
    name: "the search of a page with many chunks skips words of the bitmap",
    file: ALLOCATOR,
    find: "while (bits === 0 && ++word < words) bits = table[W_BITMAP + word];",
    replace: "while (bits === 0 && (word += 2) < words) bits = table[W_BITMAP + word];",
  },
  {
    name: "a size on a chunk's border takes one chunk too many",
    file: ALLOCATOR,
    find: "(((size - 0.5) * this.#chunkInverse) | 0) + 1",
    replace: "((size * this.#chunkInverse) | 0) + 1",
  },
  {
    name: "alloc into a shared page leaves it where it is in the LRU",
    file: ALLOCATOR,
    find: `      const lruNext = table[row | LRU_NEXT];
      const lruPrev = table[row | LRU_PREV];
      table[lruPrev | LRU_NEXT] = lruNext;
      table[lruNext | LRU_PREV] = lruPrev;
    } else {`,
    replace: `      table[row | SIZES | buddy] = size | (chunks << SIZE_BITS);
      return this.#handleAt(row, buddy);
    } else {`,
  },
  {
    name: "free moves the page to the head of the LRU",
    file: ALLOCATOR,
    find: "      this.#putOnList(row, this.#chunkCount - 1 - (other >> SIZE_BITS));",
    replace: `      this.#putOnList(row, this.#chunkCount - 1 - (other >> SIZE_BITS));
      this.#takeOffLru(row);
      this.#putOnLru(row);`,
  },
  {
    name: "free of the first buddy takes the page for empty",
    file: ALLOCATOR,
    find: "const other = table[row | SIZES | (buddy ^ 1)];",
    replace: "const other = buddy === 0 ? 0 : table[row | SIZES];",
  },
  {
    name: "a page that was not emptied is not listed again",
    file: ALLOCATOR,
    find: `    if (first === 0 || last === 0) {
      this.#putOnList(row, this.#chunkCount - 1 - ((first + last) >> SIZE_BITS));
    }
`,
    replace: "",
  },
  {
    name: "a page that was not emptied goes to the tail of the LRU",
    file: ALLOCATOR,
    find: `    this.#putOnLru(row);
    return 0;`,
    replace: `    const prev = table[W_LRU | LRU_PREV];
    table[row | LRU_PREV] = prev;
    table[row | LRU_NEXT] = W_LRU;
    table[prev | LRU_NEXT] = row;
    table[W_LRU | LRU_PREV] = row;
    return 0;`,
  },
  {
    name: "reclaim takes the page at the head of the LRU",
    file: ALLOCATOR,
    find: "const row = table[W_LRU | LRU_PREV];",
    replace: "const row = table[W_LRU | LRU_NEXT];",
  },
  {
    name: "the last buddy begins one chunk too early",
    file: PLACES,
    find: "pageSize - (buddy >> SIZE_BITS) * chunkSize",
    replace: "pageSize - ((buddy >> SIZE_BITS) + 1) * chunkSize",
  },
  {
    name: "the first buddy begins at the reserved chunk",
    file: PLACES,
    find: "* chunkSize : chunkSize);",
    replace: "* chunkSize : 0);",
  },
  {
    name: "map gives whole chunks",
    file: PLACES,
    find: "into.size = buddy & SIZE_MASK;",
    replace: "into.size = (buddy >> SIZE_BITS) * chunkSize;",
  },
  {
    name: "the last buddy is offered though the first was refused",
    file: RECLAIMS,
    find: "goesOn = this.#offer(token, position);",
    replace: "this.#offer(token, position);",
  },
  {
    name: "the last buddy is offered before the first",
    file: RECLAIMS,
    find: "goesOn = this.#offer(token, position);",
    replace: "goesOn = this.#offer(token, positions - 1 - position);",
  },
  {
    name: "what the handler throws leaves the page under reclaim",
    file: RECLAIMS,
    find: `        } finally {
          if (!this.#closed) {
            pageBytes`,
    replace: `        } catch (error) {
          this.#underWay--;
          throw error;
        }
        {
          if (!this.#closed) {
            pageBytes`,
  },
  {
    name: "one try more than asked for",
    file: RECLAIMS,
    find: "for (let tried = 0; tried < retries; tried++) {",
    replace: "for (let tried = 0; tried <= retries; tried++) {",
  },
  {
    name: "a handler that lies is believed",
    file: RECLAIMS,
    find: "            pages = this.#allocator.endReclaim(token);",
    replace: "            pages = Math.max(this.#allocator.endReclaim(token), goesOn ? 1 : 0);",
  },
  {
    name: "a freed place keeps its generation",
    file: ALLOCATOR,
    find: "(table[row | GENERATIONS | buddy] + 1) & this.#generationMask",
    replace: "table[row | GENERATIONS | buddy] & this.#generationMask",
  },
  {
    name: "a generation has 16 bits",
    file: ALLOCATOR,
    find: "this.#generationMask = layout.generationMask | 0;",
    replace: "this.#generationMask = 0xffff;",
  },
  {
    name: "another pool's handle is taken",
    file: "src/pool/handle.ts",
    find: "return poolsMade++;",
    replace: "return poolsMade;",
  },
  {
    name: "free takes the handle that an empty place will have next",
    file: ALLOCATOR,
    find: "!== handle || table[row | SIZES | buddy] === 0) return false;",
    replace: "!== handle) return false;",
  },
  {
    name: "an emptied list keeps its bit when a page is taken off it",
    file: ALLOCATOR,
    find: "      table[W_BITMAP + (list >> 5)] &= ~(TOP_BIT >>> (list & 31));",
    replace: "      table[W_BITMAP + (list >> 5)] &= ~(TOP_BIT >>> ((list + 1) & 31));",
  },
  {
    name: "a page under reclaim is released by a free",
    file: ALLOCATOR,
    find: "if (table[row | LRU_PREV] > FREE) {",
    replace: "if (table[row | LRU_PREV] !== FREE) {",
  },
  {
    name: "pageCount does not go down when a page is released",
    file: ALLOCATOR,
    find: "    table[W_PAGE_COUNT]--;\n",
    replace: "",
  },
  {
    name: "a released page is lost",
    file: ALLOCATOR,
    find: `    table[row | LIST_NEXT] = table[W_FREE_HEAD];
    table[W_FREE_HEAD] = row;
  }

  // These five`,
    replace: `  }

  // These five`,
  },
  {
    name: "the list of free pages is not taken over by trim",
    file: ALLOCATOR,
    find: `      table[row | LIST_NEXT] = table[W_FREE_HEAD];
      table[W_FREE_HEAD] = row;
    }`,
    replace: `      table[row | LIST_NEXT] = table[W_FREE_HEAD];
    }`,
  },
  {
    name: "a page is counted before the memory for it is there",
    file: ALLOCATOR,
    find: "        if (!(committed > page)) return FREE;",
    replace: `        if (!(committed > page)) {
          table[W_HIGH_WATER] = page + 1;
          return FREE;
        }`,
  },
  {
    name: "size 0 is accepted",
    file: POOL,
    find: "(size | 0) !== size || size <= 0 || size > this.#maxObjectBytes",
    replace: "(size | 0) !== size || size < 0 || size > this.#maxObjectBytes",
  },
  {
    name: "an object may be one byte larger than the largest",
    file: POOL,
    find: "(size | 0) !== size || size <= 0 || size > this.#maxObjectBytes",
    replace: "(size | 0) !== size || size <= 0 || size > this.#maxObjectBytes + 1",
  },
  {
    name: "the largest object is refused",
    file: POOL,
    find: "(size | 0) !== size || size <= 0 || size > this.#maxObjectBytes",
    replace: "(size | 0) !== size || size <= 0 || size >= this.#maxObjectBytes",
  },
  {
    name: "shrink(0) reclaims a page",
    file: POOL,
    find: "while (reclaimed < pages) {",
    replace: "while (reclaimed < Math.max(pages, 1)) {",
  },
  {
    name: "shrink gives each page 7 retries",
    file: POOL,
    find: "while (reclaimed < pages) {\n        result = this.reclaimPage(RETRIES_DEFAULT);",
    replace: "while (reclaimed < pages) {\n        result = this.reclaimPage(RETRIES_DEFAULT - 1);",
  },
  {
    name: "stats count released pages among those in use",
    file: "src/drivers/zbud/stats.ts",
    find: "const pages = table[W_PAGE_COUNT];",
    replace: "const pages = table[W_HIGH_WATER];",
  },
  {
    name: "a size on a step's border is counted in the next step of the histogram",
    file: "src/pool/stats.ts",
    find: "Math.ceil((size * SIZE_STEPS) / pageSize) - 1",
    replace: "Math.min(Math.floor((size * SIZE_STEPS) / pageSize), SIZE_STEPS - 1)",
  },
  {
    name: "a pool that is closed still counts as open",
    file: "src/zpool/zpool.ts",
    find: "      countOpenPools(this.type, -1);\n",
    replace: "",
  },
  {
    name: "a replay does not compare offsets",
    file: "src/trace/replay.ts",
    find: '        this.#compare("offset", operation.offset, offset);\n',
    replace: "",
  },
  {
    name: "a replay does not compare what is evicted",
    file: "src/trace/replay.ts",
    find: '    this.#compare("evicted object", eviction?.id, this.#ids.get(handle));\n',
    replace: "",
  },
  {
    name: "a page that is taken again keeps its serial number in a trace",
    file: "src/trace/page-serials.ts",
    find: "if (pages > this.#pages || !this.#serialOf.has(page)) this.#serialOf",
    replace: "if (!this.#serialOf.has(page)) this.#serialOf",
  },
  ...SLOTS_BUGS,
  ...ZSMALLOC_BUGS,
  ...LOG_BUGS,
  ...CACHE_BUGS,
  ...ENGINE_BUGS,
  ...STORE_BUGS,
  ...LOAD_BUGS,
  ...MACHINE_BUGS,
];
