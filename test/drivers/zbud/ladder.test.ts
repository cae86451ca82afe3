/** A ladder: pages of several sizes in one pool. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { attachPool, createPool, ZbudLadder, type ZbudLadderOptions } from "../../../src/drivers/index.ts";
import { createPageMemory } from "../../../src/memory/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import { parseTrace, record, replay } from "../../../src/trace/index.ts";
import { FaultyMemory } from "../../support/faulty-memory.ts";
import { isCode } from "../../support/is-code.ts";
import { type LadderPlan, LadderRun } from "./ladder-run.ts";

const MIB = 2 ** 20;

function must(result: Handle | string): Handle {
  if (typeof result === "string") assert.fail(`alloc gave ${result}`);
  return result;
}

describe("a ladder under random operations", () => {
  const plans: Record<string, Omit<LadderPlan, "seed">> = {
    "of one size": { maxBytes: 64 * 4096, pageSizes: [4096] },
    "of two sizes, with little memory": { maxBytes: 8 * 4096, pageSizes: [1024, 4096] },
    "of four sizes": { maxBytes: MIB, pageSizes: [512, 1216, 3328, 8192] },
    "that fits itself": { maxBytes: MIB, pageSizes: "fit", warmUp: 60 },
    "shared by threads": { maxBytes: MIB / 2, pageSizes: [1024, 2048, 4096], shared: true },
    "under its caller's lock": { maxBytes: MIB / 2, pageSizes: [1024, 4096], shared: true, lock: "caller" },
  };
  for (const [name, plan] of Object.entries(plans)) {
    it(`${name} keeps what is stored, and its books balance after each`, () => {
      let refits = 0;
      for (let seed = 1; seed <= 3; seed++) {
        const run = new LadderRun({ ...plan, seed });
        for (let i = 0; i < 700; i++) run.step();
        refits += run.refits;
        run.finish();
      }
      assert.ok(refits > 5, `${refits} refits`);
    });
  }

  it("takes what memory gives, and no harm when it gives none, also while page sizes change", () => {
    for (let seed = 1; seed <= 4; seed++) {
      const prng = new Prng(seed);
      const memory = new FaultyMemory(createPageMemory(2 ** 15, 16, false), () => prng.chance(0.4));
      const run = new LadderRun({ seed, maxBytes: 16 * 2 ** 15, pageSizes: [1024, 4096], memory });
      for (let i = 0; i < 500; i++) run.step();
      assert.ok(memory.refused > 0 && run.refits > 0);
      run.finish();
    }
  });
});

describe("a ladder", () => {
  it("puts each object into pages of its range, two to a page", () => {
    const ladder = new ZbudLadder({ maxBytes: MIB, pageSizes: [1024, 2048, 4096] });
    const pages = (size: number): number => {
      const before = ladder.totalBytes;
      const handles = [ladder.alloc(size), ladder.alloc(size)].map(must);
      const bytes = ladder.totalBytes - before;
      for (const handle of handles) ladder.free(handle);
      return bytes;
    };
    // 31 of 64 chunks are the largest object of which two fit, one chunk being reserved.
    assert.equal(pages(31 * 16), 1024);
    assert.equal(pages(31 * 16 + 1), 2048);
    assert.equal(pages(31 * 32), 2048);
    assert.equal(pages(31 * 64), 4096);
    assert.equal(pages(31 * 64 + 1), 2 * 4096);
    assert.equal(ladder.alloc(3969), "ENOSPC");
    assert.equal(ladder.maxObjectBytes, 3968);
    ladder.close();
  });

  it("reclaims in one order over all page sizes", () => {
    const evicted: Handle[] = [];
    const ladder = new ZbudLadder({
      maxBytes: MIB,
      pageSizes: [512, 4096],
      onEvict: (handle, pool) => {
        evicted.push(handle);
        pool.free(handle);
        return true;
      },
    });
    const handles = Array.from({ length: 60 }, (_, i) => must(ladder.alloc(i % 3 === 0 ? 250 : 3000)));
    const pageOf = (handle: Handle): number => ladder.inspect(handle).page;
    // Objects of 250 bytes come in pairs: a page was allocated into when its last object came.
    const order = handles.map(pageOf).reverse();
    const expected = [...new Set(order)].reverse();
    const byPage = new Map(handles.map((handle) => [handle, pageOf(handle)]));
    while (ladder.reclaimPage() === "ok");
    assert.deepEqual([...new Set(evicted.map((handle) => byPage.get(handle)))], expected);
    assert.equal(ladder.totalBytes, 0);
    ladder.close();
  });

  it("a workload whose sizes shift gets the memory of the sizes that went, for as few evictions as they hold", () => {
    const maxBytes = 4 * MIB;
    let evictions = 0;
    const pool = createPool("zbud", {
      maxBytes,
      pageSizes: [512, 2048, 8192],
      onEvict: (handle, given) => {
        evictions++;
        given.free(handle);
        return true;
      },
    });
    const store = (size: number): void => {
      for (;;) {
        if (typeof pool.alloc(size) === "number") return;
        const { reclaimed } = pool.shrink(1);
        assert.ok(reclaimed > 0, "what is full can be reclaimed");
      }
    };
    for (const [phase, size] of [240, 3900, 960, 240, 3900].entries()) {
      evictions = 0;
      const count = Math.ceil((1.5 * maxBytes) / (2 * size)) * 2;
      for (let i = 0; i < count; i++) store(size);
      const big = pool.snapshot().pages.filter(({ objects }) => objects.some((each) => each.size === size));
      const bytes = big.reduce((sum, page) => sum + page.bytes, 0);
      assert.ok(
        bytes > 0.95 * maxBytes,
        `phase ${phase}: ${bytes} of ${maxBytes} bytes are for the new sizes`,
      );
      assert.ok(evictions < 3 * count + 2 * (maxBytes / 512), `phase ${phase}: ${evictions} evictions`);
      pool.verify();
    }
    pool.close();
  });

  it("lets nothing lie at the tail for ever, though pages of another size starve", () => {
    const onEvict = (handle: Handle, pool: Pool): boolean => {
      pool.free(handle);
      return true;
    };
    const ladder = new ZbudLadder({ maxBytes: MIB, pageSizes: [512, 4096], onEvict });
    const old = Array.from({ length: 20 }, () => must(ladder.alloc(200)));
    for (let i = 0; i < 2000; i++) {
      while (typeof ladder.alloc(3000) !== "number") assert.equal(ladder.reclaimPage(), "ok");
    }
    for (const handle of old) assert.throws(() => ladder.free(handle), isCode("EBADF"));
    ladder.verify();
    ladder.close();
  });

  it("refits: old handles stay valid, new objects lie denser, the limit holds", () => {
    const maxBytes = 8 * MIB;
    const onEvict = (handle: Handle, pool: Pool): boolean => {
      pool.free(handle);
      return true;
    };
    const ladder = new ZbudLadder({ maxBytes, pageSizes: [4096], onEvict });
    const prng = new Prng(9);
    const old = Array.from({ length: 500 }, () => must(ladder.alloc(prng.between(700, 900))));
    const before = ladder.stats().utilisation;
    for (const [i, handle] of old.entries()) ladder.write(handle, new Uint8Array(700).fill(i));
    const sizes = ladder.refit();
    assert.ok(Array.isArray(sizes) && sizes.length > 1 && sizes[0].pageSize < 2000, JSON.stringify(sizes));
    assert.deepEqual(ladder.pageSizes, sizes);
    for (const [i, handle] of old.entries()) {
      assert.equal(ladder.read(handle, new Uint8Array(900)), ladder.sizeOf(handle));
      assert.equal(ladder.map(handle)[699], i % 256);
    }
    for (let i = 0; i < 40_000; i++) {
      while (typeof ladder.alloc(prng.between(700, 900)) !== "number") {
        assert.equal(ladder.reclaimPage(), "ok");
        assert.ok(ladder.totalBytes <= maxBytes);
      }
    }
    const { utilisation } = ladder.stats();
    assert.ok(utilisation > 2 * before && utilisation > 0.85, `${before} before, ${utilisation} now`);
    for (const handle of old) assert.throws(() => ladder.free(handle), isCode("EBADF"));
    ladder.verify();
    ladder.close();
  });

  it("refuses to refit while 16 page sizes hold objects, and takes page sizes up again when they are free", () => {
    const ladder = new ZbudLadder({ maxBytes: 4 * MIB, pageSizes: [8192] });
    const handles: Handle[] = [];
    let refused = 0;
    for (let i = 0; i < 20; i++) {
      handles.push(must(ladder.alloc(100)));
      if (ladder.refit([1024 + 64 * i, 8192]) === "EAGAIN") refused++;
      ladder.verify();
    }
    assert.equal(refused, 5);
    for (const handle of handles) ladder.free(handle);
    assert.notEqual(ladder.refit([640, 8192]), "EAGAIN");
    ladder.verify();
    ladder.close();
  });

  it("fits itself after the warm-up, or to a sample", () => {
    const prng = new Prng(2);
    const sizes = Array.from({ length: 3000 }, () =>
      prng.chance(0.5) ? prng.between(300, 400) : prng.between(1500, 1700),
    );
    const density = (options: Partial<ZbudLadderOptions>): number => {
      const ladder = new ZbudLadder({ maxBytes: 32 * MIB, pageSizes: "fit", ...options });
      for (let round = 0; round < 3; round++) for (const size of sizes) must(ladder.alloc(size));
      ladder.verify();
      const { utilisation } = ladder.stats();
      ladder.close();
      return utilisation;
    };
    assert.ok(density({ warmUp: 0 }) < 0.6);
    assert.ok(density({ warmUp: 500 }) > 0.85);
    assert.ok(density({ sample: sizes.slice(0, 500) }) > 0.9);
  });

  it("names bad options", () => {
    const bad: [Partial<ZbudLadderOptions> & { maxPages?: number }, ...string[]][] = [
      [{ pageSizes: [] }, "pageSizes"],
      [{ pageSizes: [1, 2, 3, 4, 5].map((i) => 1024 * i) }, "pageSizes"],
      [{ pageSizes: "fitted" as "fit" }, "fitted"],
      [{ pageSizes: [4096, 1024] }, "ascending", "1024"],
      [{ pageSizes: [1000] }, "1000"],
      [{ pageSizes: [{ pageSize: 4096, maxSize: 4000 }] }, "maxSize", "4000"],
      [{ maxBytes: 1000 }, "maxBytes"],
      [{ maxBytes: 2 ** 50 }, "maxBytes"],
      [{ maxPages: 4 }, "maxBytes"],
      [{ sample: [1, 2] }, "sample"],
      [{ warmUp: 5 }, "warmUp"],
      [{ pageSizes: "fit", warmUp: -1 }, "warmUp"],
      [{ pageSizes: "fit", warmUp: 5, sample: [100] }, "warmUp"],
      [{ pageSizes: "fit", sample: [] }, "empty"],
      [{ pageSizes: "fit", sample: [0.5] }, "0.5"],
      [{ lock: "none" as "own" }, "lock"],
    ];
    for (const [options, ...names] of bad) {
      const all = { maxBytes: MIB, pageSizes: [1024, 4096], ...options };
      assert.throws(() => new ZbudLadder(all), isCode("EINVAL", ...names), JSON.stringify(options));
    }
    const ladder = new ZbudLadder({ maxBytes: MIB, pageSizes: [1024] });
    assert.throws(() => ladder.refit(), isCode("EINVAL", "nothing was stored"));
    assert.throws(() => ladder.refit([128]), isCode("EINVAL", "128"));
    assert.throws(() => ladder.refit([2 ** 20]), isCode("EINVAL"));
    ladder.close();
    assert.throws(() => ladder.refit([1024]), isCode("ECLOSED"));
    const plain = createPool("zbud", { maxPages: 4 });
    assert.throws(() => plain.refit(), isCode("ENOTSUP", "pageSizes"));
    plain.close();
  });

  it("is recorded and replayed", () => {
    const lines: string[] = [];
    const prng = new Prng(4);
    const onEvict = (handle: Handle, pool: Pool): boolean => {
      live.delete(handle);
      pool.free(handle);
      return true;
    };
    const live = new Set<Handle>();
    const pool = createPool("zbud", { maxBytes: MIB / 4, pageSizes: [1024, 4096], onEvict });
    const recording = record(pool, (line) => lines.push(line));
    for (let i = 0; i < 2000; i++) {
      const handle = pool.alloc(prng.between(1, i < 1000 ? 500 : 3000));
      if (typeof handle === "number") live.add(handle);
      else pool.shrink(1);
      const [first] = live;
      if (first !== undefined && prng.chance(0.3)) {
        pool.free(first);
        live.delete(first);
      }
    }
    recording.stop();
    pool.close();
    const trace = parseTrace(lines.join("\n"));
    assert.deepEqual(replay(trace).mismatches, []);
    assert.deepEqual(replay(trace, { shape: { pageSize: 8192 } }).mismatches, []);
  });

  it("is reached from elsewhere by its buffers; both see a refit", () => {
    const pool = createPool("zbud", { maxBytes: MIB, pageSizes: [1024, 4096], shared: true });
    const other = attachPool(structuredClone({ ...pool.share() }));
    const handle = must(pool.alloc(900));
    pool.write(handle, new Uint8Array(900).fill(7));
    assert.equal(other.map(handle)[899], 7);
    assert.notEqual(other.refit([512, 2048, 4096]), "EAGAIN");
    const small = must(pool.alloc(600));
    assert.equal(pool.snapshot().pages.find(({ page }) => page === pool.inspect(small).page)?.bytes, 2048);
    other.free(handle);
    assert.throws(() => pool.free(handle), isCode("EBADF"));
    pool.verify();
    other.close();
    pool.close();
  });
});
