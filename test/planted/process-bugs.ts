/** Bugs in memory that processes share, and in giving memory back. */

import type { PlantedBug } from "./planted-bug.ts";

const SEGMENT = "src/memory/segment.ts";
const HEADER = "src/memory/segment-header.ts";
const REGISTRY = "src/base/thread-registry.ts";
const GIVEN_BACK = "src/pool/given-back.ts";

export const PROCESS_BUGS: readonly PlantedBug[] = [
  {
    name: "segment: who joins does not make sure of the name",
    file: SEGMENT,
    find: "if (leave === undefined || found.#isThere(() => leave(joined.made))) return joined;",
    replace: "return joined;",
  },
  {
    name: "segment: the checksum of the header is not compared",
    file: HEADER,
    find: `if (view.getUint32(16, true) !== crc32ByTables(bytes.subarray(24, end))) return "damaged";`,
    replace: "",
  },
  {
    name: "segment: areas may lie one in the other",
    file: HEADER,
    find: "if (!isNumber(offset, end, fileBytes) || offset % MAP_UNIT !== 0) return false;",
    replace: "if (!isNumber(offset, AREAS_AT, fileBytes) || offset % MAP_UNIT !== 0) return false;",
  },
  {
    name: "segment: a table of threads may end behind its area",
    file: HEADER,
    find: "isNumber(at, 0, Math.floor(areas[area].bytes / 4) - REGISTRY_WORDS)",
    replace: "isNumber(at, 0, Math.floor(areas[area].bytes / 4))",
  },
  {
    name: "segment: a folder that others can write is taken",
    file: "src/memory/segment-folder.ts",
    find: "if (stat.isDirectory() && isOwn && (stat.mode & 0o077) === 0) return;",
    replace: "if (stat.isDirectory() && isOwn) return;",
  },
  {
    name: "segment: memory is touched before the file system has room for it",
    file: "src/memory/segment-area.ts",
    find: "if (!this.allocate(this.committed, bytes)) return false;",
    replace: "this.allocate(this.committed, bytes);",
  },
  {
    name: "places: who takes the place of a dead one has its number",
    file: REGISTRY,
    find: "const turn = isLeft ? state >> 2 : nextTurnOf(state >> 2) >> 2;",
    replace: "const turn = state >> 2;",
  },
  {
    name: "places: who enters after a dead one does not know that there is something to repair",
    file: REGISTRY,
    find: "if (!isLeft) this.inherits = true;",
    replace: "",
  },
  {
    name: "places: who leaves keeps its place locked",
    file: REGISTRY,
    find: "this.#places?.give(this.#byteOf(member % PLACES));",
    replace: "",
  },
  {
    name: "given back: what is used anew is not taken back",
    file: GIVEN_BACK,
    find: "if (!this.#has(part)) continue;\n      const stop",
    replace: "continue;\n      const stop",
  },
  {
    name: "given back: a part with a page in use goes too",
    file: GIVEN_BACK,
    find: "const end = Math.floor(to / partBytes);",
    replace: "const end = Math.ceil(to / partBytes);",
  },
  {
    name: "given back: what a dead thread marked is not counted",
    file: GIVEN_BACK,
    find: "this.#table[W_GIVEN_BACK] = count;",
    replace: "",
  },
];
