/** A pool of size classes: pages of several sizes in one pool. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import {
  attachPool,
  createPool,
  SizeClassPool,
  type SizeClassPoolOptions,
} from "../../../src/drivers/index.ts";
import { createPageMemory } from "../../../src/memory/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import { parseTrace, record, replay } from "../../../src/trace/index.ts";
import { FaultyMemory } from "../../support/faulty-memory.ts";
import { isCode } from "../../support/is-code.ts";
import { type SizeClassPlan, SizeClassRun } from "./run.ts";

const MIB = 2 ** 20;

function must(result: Handle | string): Handle {
  if (typeof result === "string") assert.fail(`alloc gave ${result}`);
  return result;
}

describe("a pool of size classes under random operations", () => {
  const plans: Record<string, Omit<SizeClassPlan, "seed">> = {
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
        const run = new SizeClassRun({ ...plan, seed });
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
      const memory = new FaultyMemory(createPageMemory(2 ** 15, 16, null), () => prng.chance(0.4));
      const run = new SizeClassRun({ seed, maxBytes: 16 * 2 ** 15, pageSizes: [1024, 4096], memory });
      for (let i = 0; i < 500; i++) run.step();
      assert.ok(memory.refused > 0 && run.refits > 0);
      run.finish();
    }
  });
});

describe("a pool of size classes", () => {
  it("puts each object into pages of its range, two to a page", () => {
    const pool = new SizeClassPool({ maxBytes: MIB, pageSizes: [1024, 2048, 4096] });
    const pages = (size: number): number => {
      const before = pool.totalBytes;
      const handles = [pool.alloc(size), pool.alloc(size)].map(must);
      const bytes = pool.totalBytes - before;
      for (const handle of handles) pool.free(handle);
      return bytes;
    };
    // 31 of 64 chunks are the largest object of which two fit, one chunk being reserved.
    assert.equal(pages(31 * 16), 1024);
    assert.equal(pages(31 * 16 + 1), 2048);
    assert.equal(pages(31 * 32), 2048);
    assert.equal(pages(31 * 64), 4096);
    assert.equal(pages(31 * 64 + 1), 2 * 4096);
    assert.equal(pool.alloc(3969), "ENOSPC");
    assert.equal(pool.maxObjectBytes, 3968);
    pool.close();
  });

  it("reclaims in one order over all page sizes", () => {
    const evicted: Handle[] = [];
    const pool = new SizeClassPool({
      maxBytes: MIB,
      pageSizes: [512, 4096],
      onEvict: (handle, pool) => {
        evicted.push(handle);
        pool.free(handle);
        return true;
      },
    });
    const handles = Array.from({ length: 60 }, (_, i) => must(pool.alloc(i % 3 === 0 ? 250 : 3000)));
    const pageOf = (handle: Handle): number => pool.inspect(handle).page;
    // Objects of 250 bytes come in pairs: a page was allocated into when its last object came.
    const order = handles.map(pageOf).reverse();
    const expected = [...new Set(order)].reverse();
    const byPage = new Map(handles.map((handle) => [handle, pageOf(handle)]));
    while (pool.reclaimPage() === "ok");
    assert.deepEqual([...new Set(evicted.map((handle) => byPage.get(handle)))], expected);
    assert.equal(pool.totalBytes, 0);
    pool.close();
  });

  it("a workload whose sizes shift gets the memory of the sizes that went, for as few evictions as they hold", () => {
    const maxBytes = 4 * MIB;
    let evictions = 0;
    const pool = createPool("size-classes", {
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
        const { reclaimed } = pool.shrinkPages(1);
        assert.ok(reclaimed > 0, "what is full can be reclaimed");
      }
    };
    for (const [phase, size] of [240, 3900, 960, 240, 3900].entries()) {
      evictions = 0;
      const count = Math.ceil((1.5 * maxBytes) / (2 * size)) * 2;
      for (let i = 0; i < count; i++) store(size);
      const big = snapshot(pool).pages.filter(({ objects }) => objects.some((each) => each.size === size));
      const bytes = big.reduce((sum, page) => sum + page.bytes, 0);
      assert.ok(
        bytes > 0.95 * maxBytes,
        `phase ${phase}: ${bytes} of ${maxBytes} bytes are for the new sizes`,
      );
      assert.ok(evictions < 3 * count + 2 * (maxBytes / 512), `phase ${phase}: ${evictions} evictions`);
      verify(pool);
    }
    pool.close();
  });

  it("lets nothing lie at the tail for ever, though pages of another size starve", () => {
    const onEvict = (handle: Handle, pool: Pool): boolean => {
      pool.free(handle);
      return true;
    };
    const pool = new SizeClassPool({ maxBytes: MIB, pageSizes: [512, 4096], onEvict });
    const old = Array.from({ length: 20 }, () => must(pool.alloc(200)));
    for (let i = 0; i < 2000; i++) {
      while (typeof pool.alloc(3000) !== "number") assert.equal(pool.reclaimPage(), "ok");
    }
    for (const handle of old) assert.throws(() => pool.free(handle), isCode("EBADF"));
    verify(pool);
    pool.close();
  });

  it("refits: old handles stay valid, new objects lie denser, the limit holds", () => {
    const maxBytes = 8 * MIB;
    const onEvict = (handle: Handle, pool: Pool): boolean => {
      pool.free(handle);
      return true;
    };
    const pool = new SizeClassPool({ maxBytes, pageSizes: [4096], onEvict });
    const prng = new Prng(9);
    const old = Array.from({ length: 500 }, () => must(pool.alloc(prng.between(700, 900))));
    const before = pool.stats().utilisation;
    for (const [i, handle] of old.entries()) pool.write(handle, new Uint8Array(700).fill(i));
    const sizes = pool.refit();
    assert.ok(Array.isArray(sizes) && sizes.length > 1 && sizes[0].pageSize < 2000, JSON.stringify(sizes));
    assert.deepEqual(pool.pageSizes, sizes);
    for (const [i, handle] of old.entries()) {
      assert.equal(pool.read(handle, new Uint8Array(900)), pool.sizeOf(handle));
      assert.equal(pool.map(handle)[699], i % 256);
    }
    for (let i = 0; i < 40_000; i++) {
      while (typeof pool.alloc(prng.between(700, 900)) !== "number") {
        assert.equal(pool.reclaimPage(), "ok");
        assert.ok(pool.totalBytes <= maxBytes);
      }
    }
    const { utilisation } = pool.stats();
    assert.ok(utilisation > 2 * before && utilisation > 0.85, `${before} before, ${utilisation} now`);
    for (const handle of old) assert.throws(() => pool.free(handle), isCode("EBADF"));
    verify(pool);
    pool.close();
  });

  it("refuses to refit while 16 page sizes hold objects, and takes page sizes up again when they are free", () => {
    const pool = new SizeClassPool({ maxBytes: 4 * MIB, pageSizes: [8192] });
    const handles: Handle[] = [];
    let refused = 0;
    for (let i = 0; i < 20; i++) {
      handles.push(must(pool.alloc(100)));
      if (pool.refit([1024 + 64 * i, 8192]) === "EAGAIN") refused++;
      verify(pool);
    }
    assert.equal(refused, 5);
    for (const handle of handles) pool.free(handle);
    assert.notEqual(pool.refit([640, 8192]), "EAGAIN");
    verify(pool);
    pool.close();
  });

  it("fits itself after the warm-up, or to a sample", () => {
    const prng = new Prng(2);
    const sizes = Array.from({ length: 3000 }, () =>
      prng.chance(0.5) ? prng.between(300, 400) : prng.between(1500, 1700),
    );
    const density = (options: Partial<SizeClassPoolOptions>): number => {
      const pool = new SizeClassPool({ maxBytes: 32 * MIB, pageSizes: "fit", ...options });
      for (let round = 0; round < 3; round++) for (const size of sizes) must(pool.alloc(size));
      verify(pool);
      const { utilisation } = pool.stats();
      pool.close();
      return utilisation;
    };
    assert.ok(density({ warmUp: 0 }) < 0.6);
    assert.ok(density({ warmUp: 500 }) > 0.85);
    assert.ok(density({ sample: sizes.slice(0, 500) }) > 0.9);
  });

  it("names bad options", () => {
    const bad: [Partial<SizeClassPoolOptions> & { maxPages?: number }, ...string[]][] = [
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
      assert.throws(() => new SizeClassPool(all), isCode("EINVAL", ...names), JSON.stringify(options));
    }
    const pool = new SizeClassPool({ maxBytes: MIB, pageSizes: [1024] });
    assert.throws(() => pool.refit(), isCode("EINVAL", "nothing is stored"));
    assert.throws(() => pool.refit([128]), isCode("EINVAL", "128"));
    assert.throws(() => pool.refit([2 ** 20]), isCode("EINVAL"));
    pool.close();
    assert.throws(() => pool.refit([1024]), isCode("ECLOSED"));
  });

  it("is what pools of the other drivers name when they are asked for several page sizes", () => {
    for (const driver of ["zbud", "slots", "zsmalloc"]) {
      const options = { maxBytes: MIB, pageSizes: [1024, 4096] };
      assert.throws(
        () => createPool(driver, options),
        isCode("EINVAL", "pageSizes", "SizeClassPool"),
        driver,
      );
      const plain = createPool(driver, { maxPages: 4 });
      assert.throws(() => plain.refit(), isCode("ENOTSUP", "size-classes"), driver);
      plain.close();
    }
  });

  it("takes a limit in pages, where it chooses their sizes itself", () => {
    const pool = createPool("size-classes", { maxPages: 256, pageSize: "8KiB" });
    assert.ok(pool instanceof SizeClassPool);
    assert.equal(pool.shape.maxBytes, 2 * MIB);
    assert.deepEqual(pool.pageSizes, [{ pageSize: 8192, maxSize: 7936 }]);
    pool.close();
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
    const pool = createPool("size-classes", { maxBytes: MIB / 4, pageSizes: [1024, 4096], onEvict });
    const recording = record(pool, (line) => lines.push(line));
    for (let i = 0; i < 2000; i++) {
      const handle = pool.alloc(prng.between(1, i < 1000 ? 500 : 3000));
      if (typeof handle === "number") live.add(handle);
      else pool.shrinkPages(1);
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
    const pool = createPool("size-classes", { maxBytes: MIB, pageSizes: [1024, 4096], shared: true });
    const other = attachPool(structuredClone({ ...pool.share() }));
    const handle = must(pool.alloc(900));
    pool.write(handle, new Uint8Array(900).fill(7));
    assert.equal(other.map(handle)[899], 7);
    assert.notEqual(other.refit([512, 2048, 4096]), "EAGAIN");
    const small = must(pool.alloc(600));
    assert.equal(snapshot(pool).pages.find(({ page }) => page === pool.inspect(small).page)?.bytes, 2048);
    other.free(handle);
    assert.throws(() => pool.free(handle), isCode("EBADF"));
    verify(pool);
    other.close();
    pool.close();
  });
});
