/** Bugs to plant in the page store, and in the file behind it. */

import type { PlantedBug } from "./planted-bug.ts";

const STORE = "src/store/page-store.ts";
const WRITEBACK = "src/store/writeback.ts";
const OPEN = "src/store/open-store.ts";
const RECORDS = "src/store/page-records.ts";
const RECORD_FORMAT = "src/record/record-format.ts";

export const STORE_BUGS: readonly PlantedBug[] = [
  {
    name: "store: a page whose codec threw is there in its older version",
    file: STORE,
    find: "      engine.remove(low, high, NO_PREFIX, 0);\n",
    replace: "",
  },
  {
    name: "store: a page that is refused without memory stays in the backing store",
    file: STORE,
    find: "    backing?.delete(keyOf(low, high));\n",
    replace: "",
  },
  {
    name: "store: indices are told apart by 32 bits",
    file: STORE,
    find: "    const high = Math.floor(index / HIGH);\n    let result: string;",
    replace: "    const high = 0;\n    let result: string;",
  },
  {
    name: "store: a load writes behind the page",
    file: STORE,
    find: "this.#loadIn(index, into.length === pageSize ? into : into.subarray(0, pageSize))",
    replace: "this.#loadIn(index, into.length === pageSize ? into : into.fill(0))",
  },
  {
    name: "store: a page that does not compress is told to have found no room",
    file: STORE,
    find: 'return result === "poor" ? "poor" : "full";',
    replace: 'return "full";',
  },
  {
    name: "store: what was read back goes into memory whatever happened meanwhile",
    file: STORE,
    find: "if (isSame) engine?.putStored(record, true, 0, epoch);",
    replace: "engine?.putStored(record, true, 0, -1);",
  },
  {
    name: "store: the accept threshold is ignored",
    file: WRITEBACK,
    find: "engine.fullness() > threshold;",
    replace: "engine.fullness() > 1;",
  },
  {
    name: "store: pages are written back far below the accept threshold",
    file: WRITEBACK,
    find: "engine.fullness() > threshold;",
    replace: "engine.fullness() > threshold / 2;",
  },
  {
    name: "store: a page leaves memory though its write failed",
    file: WRITEBACK,
    find: 'isWritten ? after : "failed"',
    replace: "after",
  },
  {
    name: "store: a page that the backing store did not take at once may go",
    file: WRITEBACK,
    find: "    return isWritten;",
    replace: "    return true;",
  },
  {
    name: "store: a batch's records all have the bytes of the last",
    file: WRITEBACK,
    find: "bytes.subarray(i * pageSize, (i + 1) * pageSize)",
    replace: "bytes.subarray(0, pageSize)",
  },
  {
    name: "store: a flush puts pages out of memory",
    file: WRITEBACK,
    find: '      }, "clean");',
    replace: '      }, "evict");',
  },
  {
    name: "store: a flush says nothing of pages that could not be written",
    file: WRITEBACK,
    find: "if (dirty >= dirtyBefore) throw errorOf(fault);",
    replace: "if (dirty >= dirtyBefore) return taken;",
  },
  {
    name: "store: a flush gives up where another one of the file brings room",
    file: WRITEBACK,
    find: "let dirtyBefore = Number.POSITIVE_INFINITY;",
    replace: "let dirtyBefore = 0;",
  },
  {
    name: "store: a page is refused before the flush of the file that brings room",
    file: WRITEBACK,
    find: "if (!isNoRoom || this.#foundNoRoom) this.#faults++;",
    replace: "this.#faults++;",
  },
  {
    name: "store: a flush goes through a shard without a pause",
    file: WRITEBACK,
    find: "      if (from > 0) await new Promise<void>(nextTurn);\n",
    replace: "",
  },
  {
    name: "store: what is written costs nothing of the budget",
    file: WRITEBACK,
    find: "    this.#parts.budget.spend(bytes);\n",
    replace: "",
  },
  {
    name: "store: the budget of bytes a second is for a millisecond",
    file: "src/base/write-budget.ts",
    find: "(bytes * 1e6)",
    replace: "(bytes * 1e3)",
  },
  {
    name: "store: the backing store keeps what was overwritten or invalidated",
    file: OPEN,
    find: "backing === undefined ? undefined : (k0, k1) => backing.delete(keyOf(k0, k1))",
    replace: "undefined",
  },
  {
    name: "store: a clean page goes without a look whether its copy is there",
    file: OPEN,
    find: "({ k0, k1 }) => backing.has(keyOf(k0, k1)) !== false",
    replace: "() => true",
  },
  {
    name: "store: what it takes beside the engine is not counted",
    file: OPEN,
    find: "maxBytes: maxBytes - own,",
    replace: "maxBytes,",
  },
  {
    name: "store: a batch may be as large as the store",
    file: "src/store/own-bytes.ts",
    find: "const BATCH_SHARE = 1 / 32;",
    replace: "const BATCH_SHARE = 1;",
  },
  {
    name: "store: a record of another page size passes",
    file: RECORDS,
    find: "length !== pageSize || codec",
    replace: "codec",
  },
  {
    name: "store: a same-filled page comes back with half of its word",
    file: RECORD_FORMAT,
    find: "sameFilled ? record.fill1 : record.codec",
    replace: "sameFilled ? record.fill0 : record.codec",
  },
  {
    name: "store: evictions of clean pages are not published",
    file: OPEN,
    find: '(k0, k1) => publishLater("evict", k0, k1, "ok")',
    replace: "() => {}",
  },
  {
    name: "waits: a signal that was aborted before is not seen",
    file: "src/base/wait.ts",
    find: "if (signal?.aborted === true) onAbort();\n    else signal",
    replace: "signal",
  },
  {
    name: "file: the checksum of a record is not compared",
    file: RECORD_FORMAT,
    find: "  if (view.getUint32(AT_CRC, true) !== crc32(from.subarray(AT_SEQUENCE), storeNumber)) return null;\n",
    replace: "",
  },
];
