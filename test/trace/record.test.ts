/** The recorder: what it writes replays with no mismatch on a fresh pool. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { createPool, ZbudPool } from "../../src/drivers/index.ts";
import type { Pool } from "../../src/pool/index.ts";
import { parseTrace, replay } from "../../src/trace/index.ts";
import { HANDLER_ACTS, type HandlerAct, recordInto, Workload } from "./trace-workload.ts";

const SHAPES = [
  { pageSize: 4096, chunkOrder: 6, maxPages: 12 },
  { pageSize: 3328, chunkOrder: 6, maxPages: 5 },
  { pageSize: 1024, chunkOrder: 4, maxPages: 40 },
] as const;

/** Records a random workload; gives its lines. */
function recorded(
  kind: "zbud" | "zpool",
  seed: number,
  acts: readonly HandlerAct[],
  evicts = true,
): string[] {
  const shape = SHAPES[seed % SHAPES.length];
  const maxSize = shape.pageSize - (2 * shape.pageSize) / 2 ** shape.chunkOrder;
  const workload = new Workload(new Prng(seed * 7919), acts, maxSize);
  const handler = evicts
    ? { onEvict: (handle: Parameters<Workload["evict"]>[0]) => workload.evict(handle) }
    : {};
  const pool: Pool =
    kind === "zbud" ? new ZbudPool({ ...shape, ...handler }) : createPool("zbud", { ...shape, ...handler });
  workload.pool = pool;
  const lines: string[] = [];
  recordInto(pool, lines);
  for (let i = 0; i < 400; i++) workload.step();
  verify(pool);
  pool.close();
  return lines;
}

describe("record", () => {
  for (const kind of ["zbud", "zpool"] as const) {
    for (const acts of [
      ["free"],
      ["free", "reject", "lie"],
      HANDLER_ACTS.filter((act) => act !== "throw"),
      HANDLER_ACTS,
    ]) {
      it(`${kind}, handlers that ${acts.join(", ")}: replays, and records the same again`, () => {
        for (let seed = 1; seed <= 12; seed++) {
          const lines = recorded(kind, seed, acts as HandlerAct[]);
          assert.ok(lines.length > 200);
          const trace = parseTrace(lines.join("\n"));
          const again: string[] = [];
          const { mismatches } = replay(trace, { onPool: (pool) => recordInto(pool, again) });
          assert.deepEqual(mismatches, [], `seed ${seed}`);
          assert.deepEqual(again, lines, `seed ${seed}`);
        }
      });
    }

    it(`${kind} without a handler`, () => {
      const lines = recorded(kind, 3, ["free"], false);
      const trace = parseTrace(lines.join("\n"));
      assert.equal(trace.header.evict, false);
      assert.deepEqual(replay(trace).mismatches, []);
    });

    it(`${kind} replays on a pool of another shape, where only bytes are compared`, () => {
      const trace = parseTrace(recorded(kind, 3, ["free", "reject"]).join("\n"));
      for (const shape of [{ pageSize: 8192 }, { maxPages: 3 }, { pageSize: 2048, chunkOrder: 5 }]) {
        const { mismatches, stats } = replay(trace, { shape });
        assert.deepEqual(mismatches, []);
        assert.ok(stats.objects > 0);
      }
    });
  }

  it("writes the header first, then each operation as it ends", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    const lines: string[] = [];
    const recording = recordInto(pool, lines);
    assert.deepEqual(lines, ['{"trace":"zbud/1","pageSize":4096,"maxPages":4,"evict":false}']);
    const handle = pool.alloc(434);
    assert.equal(lines[1], '{"op":"alloc","size":434,"id":0,"page":0,"offset":64,"pages":1}');
    assert.equal(typeof handle, "number");
    if (typeof handle === "number") pool.free(handle);
    assert.equal(lines[2], '{"op":"free","id":0,"pages":0}');
    assert.equal(pool.alloc(5000), "ENOSPC");
    assert.equal(lines[3], '{"op":"alloc","size":5000,"error":"ENOSPC","pages":0}');
    pool.reclaimPage(3);
    assert.equal(lines[4], '{"op":"reclaim","retries":3,"evictions":[],"result":"EINVAL","pages":0}');
    recording.stop();
    pool.alloc(100);
    assert.equal(lines.length, 5, "nothing is written after stop");
    pool.close();
  });

  it("begins with an empty pool, whoever else listens", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    const [lines, others]: string[][] = [[], []];
    const recording = recordInto(pool, lines);
    const other = recordInto(pool, others);
    pool.alloc(100);
    recording.stop();
    assert.deepEqual(others, lines);
    pool.alloc(100);
    other.stop();
    assert.equal(others.length, lines.length + 1);
    assert.throws(() => recordInto(pool, []), /EINVAL/);
    pool.close();
  });

  it("leaves out calls that are misuse: they change nothing", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    const lines: string[] = [];
    recordInto(pool, lines);
    for (const size of [Number.NaN, Number.POSITIVE_INFINITY, "64", null, 0.5]) {
      assert.throws(() => pool.alloc(size as number));
    }
    assert.throws(() => pool.free(5 as never));
    pool.close();
    assert.deepEqual(replay(parseTrace(lines.join("\n"))).mismatches, []);
  });
});
