/** A trace that says something else than what happens: the replay must notice. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseTrace, replay } from "../../src/trace/index.ts";
import { fixtureText } from "./trace-workload.ts";

/** One line of a trace, as loose as a test needs it to falsify it. */
interface Line {
  op: string;
  size: number;
  id?: number;
  page?: number;
  offset?: number;
  error?: string;
  pages: number;
  retries: number;
  evictions: { id: number; do: Line[]; returns: number }[];
  result: string;
  reclaimed: number;
  poolPages: number;
  totalSize: number;
}

interface Lie {
  name: string;
  file: string;
  /** Falsifies the line if it can; tells whether it did. */
  tell(line: Line): boolean;
}

/** A lie about a field of lines for which `where` holds. */
function about(file: string, name: string, where: (line: Line) => boolean, tell: (line: Line) => void): Lie {
  return {
    name,
    file,
    tell: (line) => {
      if (!where(line)) return false;
      tell(line);
      return true;
    },
  };
}

const ZBUD = "bimodal-evict-reentrant.jsonl";
const EDGE = "edge-sizes-and-errors.jsonl";
const FULL = "out-of-memory.jsonl";
const ZPOOL = "zpool-shrink.jsonl";
const isAlloc = (line: Line): boolean => line.op === "alloc" && line.error === undefined;
const isRefusal = (line: Line): boolean => line.op === "alloc" && line.error !== undefined;
const evicts = (line: Line): boolean => (line.evictions?.length ?? 0) > 0;

const LIES: readonly Lie[] = [
  about(ZBUD, "offset of an alloc, a chunk further", isAlloc, (line) => (line.offset = line.offset! + 64)),
  about(ZBUD, "page of an alloc", isAlloc, (line) => (line.page = line.page! + 1)),
  about(ZBUD, "pages after an alloc", isAlloc, (line) => line.pages++),
  about(
    ZBUD,
    "pages after a free",
    (line) => line.op === "free",
    (line) => line.pages++,
  ),
  about(
    ZBUD,
    "pages after a reclaim",
    (line) => line.op === "reclaim",
    (line) => line.pages++,
  ),
  about(
    ZBUD,
    "result of a reclaim: ok",
    (line) => line.result === "EAGAIN",
    (line) => (line.result = "ok"),
  ),
  about(
    ZBUD,
    "result of a reclaim: EAGAIN",
    (line) => line.result === "ok",
    (line) => (line.result = "EAGAIN"),
  ),
  about(
    EDGE,
    "result of a reclaim: EINVAL",
    (line) => line.result === "ok",
    (line) => (line.result = "EINVAL"),
  ),
  about(
    EDGE,
    "ENOSPC for EINVAL",
    (line) => line.error === "EINVAL",
    (line) => (line.error = "ENOSPC"),
  ),
  about(
    EDGE,
    "ENOMEM for ENOSPC",
    (line) => line.error === "ENOSPC",
    (line) => (line.error = "ENOMEM"),
  ),
  about(
    FULL,
    "ENOSPC for ENOMEM",
    (line) => line.error === "ENOMEM",
    (line) => (line.error = "ENOSPC"),
  ),
  about(FULL, "pages after a refused alloc", isRefusal, (line) => line.pages--),
  about(FULL, "an alloc that was refused", isAlloc, (line) => {
    line.error = "ENOMEM";
  }),
  about(FULL, "an alloc that was not refused", isRefusal, (line) => {
    delete line.error;
    Object.assign(line, { id: 1_000_000, page: 0, offset: 64 });
  }),
  about(
    ZBUD,
    "order of evictions",
    (line) => (line.evictions?.length ?? 0) > 1 && line.evictions[0].id !== line.evictions[1].id,
    (line) => ([line.evictions[0].id, line.evictions[1].id] = [line.evictions[1].id, line.evictions[0].id]),
  ),
  about(ZBUD, "an eviction that did not come", evicts, (line) => {
    line.evictions.push({ id: 1_000_000, do: [], returns: -1 });
  }),
  about(ZBUD, "an eviction left out", evicts, (line) => void line.evictions.pop()),
  about(ZBUD, "the object of an eviction", evicts, (line) => line.evictions[0].id++),
  about(
    ZBUD,
    "the offset of an alloc inside a handler",
    (line) => line.evictions?.[0]?.do.some(isAlloc) ?? false,
    (line) => {
      const inner = line.evictions[0].do.find(isAlloc)!;
      inner.offset = inner.offset! + 64;
    },
  ),
  about(
    ZPOOL,
    "reclaimed of a shrink",
    (line) => line.op === "shrink",
    (line) => line.reclaimed++,
  ),
  about(
    ZPOOL,
    "pages after a shrink",
    (line) => line.op === "shrink",
    (line) => line.poolPages++,
  ),
  about(
    ZPOOL,
    "bytes after a shrink",
    (line) => line.op === "shrink",
    (line) => line.totalSize++,
  ),
  about(
    ZPOOL,
    "result of a shrink",
    (line) => line.op === "shrink",
    (line) => {
      line.result = line.result === "ok" ? "EAGAIN" : "ok";
    },
  ),
];

describe("a falsified trace", () => {
  for (const { name, file, tell } of LIES) {
    it(`is noticed: ${name}`, () => {
      const lines = fixtureText(file).trimEnd().split("\n");
      let told = 0;
      for (const from of [1, lines.length >>> 1, lines.length - 300]) {
        let at = from;
        let line = JSON.parse(lines[at]) as Line;
        while (at < lines.length - 1 && !tell(line)) line = JSON.parse(lines[++at]) as Line;
        if (JSON.stringify(line) === lines[at]) continue;
        told++;
        const falsified = lines.with(at, JSON.stringify(line)).join("\n");
        const { mismatches } = replay(parseTrace(falsified));
        assert.ok(mismatches.length > 0, `a lie in line ${at + 1} was not noticed: ${JSON.stringify(line)}`);
        assert.equal(mismatches[0].line, at + 1, `noticed where it is: ${JSON.stringify(mismatches[0])}`);
      }
      assert.ok(told > 0, "the trace has such a line");
    });
  }

  it("stops after as many mismatches as asked for", () => {
    const text = fixtureText(ZBUD).replaceAll(/"offset":64,/g, '"offset":128,');
    for (const maxMismatches of [1, 7]) {
      const { mismatches } = replay(parseTrace(text), { maxMismatches });
      assert.ok(mismatches.length >= maxMismatches && mismatches.length < maxMismatches + 8);
    }
  });

  it("another page size, chunk order or limit in the header is noticed", () => {
    const text = fixtureText(FULL);
    for (const change of [
      '"pageSize":8192',
      '"pageSize":4096,"chunkOrder":5',
      '"maxPages":63,"x":64',
      '"evict":false',
    ]) {
      const name = change.slice(0, change.indexOf(":"));
      const other = text.replace(new RegExp(`${name}:[^,}]+`), change);
      assert.notEqual(other, text);
      assert.ok(replay(parseTrace(other)).mismatches.length > 0, change);
    }
  });
});
