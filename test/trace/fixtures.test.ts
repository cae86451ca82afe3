/** The recorded traces: replayed with no mismatch, and recorded again byte for byte. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createZpool } from "../../src/entry/zpool.ts";
import { parseTrace, type ReplayOptions, replay } from "../../src/trace/index.ts";
import { fixtureNames, fixtureText, recordInto } from "./trace-workload.ts";

describe("recorded traces", () => {
  it("are all there", () => {
    assert.deepEqual([...fixtureNames].sort(), [
      "bimodal-evict-reentrant.jsonl",
      "compressed-sizes-evict-refusing.jsonl",
      "edge-sizes-and-errors.jsonl",
      "no-evict-handler.jsonl",
      "out-of-memory.jsonl",
      "uniform-evict-all.jsonl",
      "zpool-edge.jsonl",
      "zpool-no-evict-handler.jsonl",
      "zpool-shrink.jsonl",
    ]);
  });

  for (const name of fixtureNames) {
    it(`${name} replays with no mismatch`, () => {
      const text = fixtureText(name);
      const trace = parseTrace(text);
      assert.equal(trace.operations.length, text.trimEnd().split("\n").length - 1);
      const { operations, mismatches } = replay(trace);
      assert.deepEqual(mismatches, []);
      assert.ok(operations >= trace.operations.length, `${operations} operations`);
    });

    it(`${name} replays on the pool of a zpool`, () => {
      const trace = parseTrace(fixtureText(name));
      const { pageSize, maxPages } = trace.header;
      const createPool: ReplayOptions["createPool"] = (_, onEvict) =>
        createZpool("zbud", { pageSize, maxPages, onEvict }).pool;
      assert.deepEqual(replay(trace, { createPool }).mismatches, []);
    });

    it(`${name} is recorded again from its replay, byte for byte`, () => {
      const text = fixtureText(name);
      const lines: string[] = [];
      replay(parseTrace(text), { onPool: (pool) => recordInto(pool, lines) });
      // A recorder does not say through which interface calls came: a pool has one.
      const expected = text
        .replace(/"interface":"z(bud|pool)",/, "")
        .trimEnd()
        .split("\n");
      for (const [i, line] of expected.entries()) assert.equal(lines[i], line, `line ${i + 1}`);
      assert.equal(lines.length, expected.length);
    });
  }
});
