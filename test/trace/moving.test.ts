/** Pools whose objects move, recorded and replayed: compaction, options that only they have, handlers that allocate. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../src/base/index.ts";
import { type CreatePoolOptions, createPool, registerBuiltIns } from "../../src/drivers/index.ts";
import { parseTrace, record, replay } from "../../src/trace/index.ts";

registerBuiltIns();

/** A recorded run of random operations; gives the lines of its trace. */
function recorded(seed: number, options: Record<string, number> = {}, driver = "zsmalloc"): string[] {
  const prng = new Prng(Math.imul(seed, 0x9e3779b1));
  const live = new Set<Handle>();
  const lines: string[] = [];
  const poolOptions: CreatePoolOptions = {
    maxPages: 40,
    ...options,
    onEvict: (handle, given) => {
      if (prng.chance(0.2)) return false;
      given.free(handle);
      live.delete(handle);
      const more = prng.chance(0.2) ? given.alloc(100) : "ENOMEM";
      if (typeof more === "number") live.add(more);
      if (prng.chance(0.1)) given.compact(3);
      return true;
    },
  };
  const pool = createPool(driver, poolOptions);
  const recording = record(pool, (line) => lines.push(line));
  for (let i = 0; i < 1500; i++) {
    const choice = prng.below(10);
    if (choice < 6) {
      const handle = pool.alloc(30 + 40 * prng.below(40));
      if (typeof handle === "number") live.add(handle);
    } else if (choice < 8 && live.size > 0) {
      const handle = [...live][prng.below(live.size)];
      live.delete(handle);
      pool.free(handle);
    } else if (choice < 9) {
      if (prng.chance(0.5)) pool.shrinkPages(1 + prng.below(4));
    } else {
      pool.compact(prng.chance(0.5) ? undefined : 1 + prng.below(20));
    }
  }
  recording.stop();
  pool.close();
  return lines;
}

describe("traces of log pools", () => {
  it("replay with the same result, page and place for each operation", () => {
    const ways = [{}, { slack: 30 }, { slack: 0, maxObjects: 60 }, { pageSize: 8192, slack: 5 }];
    for (let seed = 1; seed <= 12; seed++) {
      const lines = recorded(seed, ways[seed % ways.length], "log");
      assert.ok(lines.some((line) => line.startsWith('{"op":"compact"') && !line.includes('"moved":0')));
      const { operations, mismatches } = replay(parseTrace(lines.join("\n")));
      assert.deepEqual(mismatches, []);
      assert.ok(operations >= 1000);
    }
  });
});

describe("traces of zsmalloc pools", () => {
  it("replay with the same result, page and place for each operation", () => {
    for (let seed = 1; seed <= 12; seed++) {
      const lines = recorded(seed, seed % 2 === 0 ? {} : { maxGroupPages: 7, maxObjects: 60 });
      assert.ok(lines.some((line) => line.startsWith('{"op":"compact"') && !line.includes('"moved":0')));
      const { operations, mismatches } = replay(parseTrace(lines.join("\n")));
      assert.deepEqual(mismatches, []);
      assert.ok(operations >= 1000);
    }
  });

  it("tell when a compaction comes out otherwise", () => {
    const lines = recorded(3);
    const at = lines.findIndex(
      (line) => /"op":"compact".*"released":[1-9]/.test(line) && !line.includes("do"),
    );
    lines[at] = lines[at].replace(/"released":\d+/, '"released":77');
    const { mismatches } = replay(parseTrace(lines.join("\n")));
    assert.equal(mismatches.length, 1);
    assert.equal(mismatches[0].what, "released");
    assert.equal(mismatches[0].line, at + 1);
  });

  it("replay on a pool of another driver, where compaction does nothing", () => {
    const { mismatches } = replay(parseTrace(recorded(5).join("\n")), { shape: { driver: "slots" } });
    assert.deepEqual(mismatches, []);
  });

  it("refuse a compaction that cannot be", () => {
    const header = '{"trace":"zbud/1","driver":"zsmalloc","pageSize":4096,"maxPages":4,"evict":false}';
    for (const line of [
      '{"op":"compact","moved":0,"pages":0}',
      '{"op":"compact","moves":0,"moved":0,"released":0,"pages":0}',
    ]) {
      assert.throws(() => parseTrace(`${header}\n${line}\n`), { code: "EBADMSG" });
    }
  });
});
