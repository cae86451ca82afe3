import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompressedCache } from "../../src/entry/index.ts";
import { PageStore } from "../../src/entry/store.ts";
import { Entries } from "../../src/viewer/entries.ts";
import { viewer } from "../../src/viewer/index.ts";
import type { ShownEntries } from "../../src/viewer/types.ts";
import { Watch } from "../../src/viewer/watch.ts";
import { isCode } from "../support/is-code.ts";

const SECRET = "correct horse battery staple";

function filled(count: number): CompressedCache<string> {
  const cache = new CompressedCache<string>({ maxBytes: "64MiB", improve: false });
  for (let i = 0; i < count; i++) cache.set(`key ${i}`, `${SECRET} ${i * 7919}`);
  return cache;
}

/** Looks until a walk is complete. */
function walked(entries: Entries, now: number): ShownEntries {
  for (let look = 0; look < 100; look++) {
    const found = entries.look(now).entries;
    if (found !== null) return found;
  }
  assert.fail("no walk came to its end");
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

describe("the entries of a cache", () => {
  it("sizes are as info() says, and all are counted", () => {
    const cache = filled(1000);
    cache.set("large", Array.from({ length: 5000 }, (_, i) => (i * 7919) % 997).join());
    const entries = new Entries(cache as never, true);
    const { counted, sizes, ages, earlier, keys } = walked(entries, 0);
    assert.equal(counted, 1001);
    assert.equal(sum(sizes), 1001);
    assert.equal(sum(ages) + earlier, 1001);
    assert.equal(keys?.[0].key, "large");
    assert.equal(keys?.[0].bytes, cache.info("large")?.size);
    const steps = new Array<number>(sizes.length).fill(0);
    for (const key of cache.keys()) {
      const { size } = cache.info(key) as { size: number };
      steps[Math.max(0, Math.ceil(Math.log2(size)) - 6)] += 1;
    }
    assert.deepEqual(sizes, steps);
    cache.close();
  });

  it("ages are those since somebody watched; before that nobody knows", () => {
    const cache = filled(100);
    const entries = new Entries(cache as never, false);
    assert.deepEqual([walked(entries, 0).earlier, sum(walked(entries, 0).ages)], [100, 0]);
    for (let i = 0; i < 30; i++) cache.set(`new ${i}`, SECRET);
    assert.deepEqual(walked(entries, 1000).ages, [30, 0, 0, 0, 0]);
    entries.look(2000);
    for (let i = 0; i < 7; i++) cache.set(`newer ${i}`, SECRET);
    const later = walked(entries, 15_000);
    assert.deepEqual([later.ages, later.earlier], [[7, 30, 0, 0, 0], 100]);
    assert.deepEqual(walked(entries, 3_700_000).ages, [0, 0, 0, 0, 37]);
    entries.forget();
    assert.equal(walked(entries, 3_700_000).earlier, 137);
    cache.close();
  });

  it("of many a sample is looked at, some at a time", () => {
    const cache = filled(60_000);
    const entries = new Entries(cache as never, false);
    let looks = 1;
    while (entries.look(0).entries === null) looks += 1;
    const { counted, sizes } = walked(entries, 0);
    assert.ok(looks > 4 && looks < 20, `${looks} looks`);
    assert.ok(counted > 10_000 && counted <= 16_384 + 8, `${counted} looked at`);
    assert.equal(sum(sizes), counted);
    cache.close();
  });

  it("neither hits nor the order of eviction change", () => {
    const cache = filled(500);
    const [before, order] = [cache.stats(), [...cache.keys()]];
    const entries = new Entries(cache as never, true);
    for (let look = 0; look < 10; look++) entries.look(look);
    assert.deepEqual(cache.stats(), before);
    assert.deepEqual([...cache.keys()], order);
    cache.close();
  });

  it("keys are shown by option, values never", () => {
    const cache = new CompressedCache<string>({ maxBytes: "1MiB", codec: "none" });
    cache.set("user 4711", SECRET);
    cache.set(new Uint8Array([1, 255]), SECRET);
    cache.set(7, SECRET);
    cache.set("k".repeat(5000), SECRET);
    for (const keys of [false, true]) {
      const watch = new Watch(cache as never, "cache", () => 0, keys);
      assert.equal(watch.hello().keys, keys);
      for (let look = 0; look < 3; look++) watch.tick();
      const text = JSON.stringify(watch.tick());
      assert.equal(text.includes("4711"), keys && true);
      assert.ok(!text.includes("correct"));
      if (!keys) continue;
      const shown = watch.tick().entries?.keys?.map(({ key }) => key);
      assert.deepEqual(shown?.toSorted(), ["01ff", "7", `${"k".repeat(120)}…`, "user 4711"]);
    }
    assert.throws(
      () => viewer(cache as never, { keys: "yes" } as never),
      isCode("EINVAL", "keys must be true or false"),
    );
    cache.close();
  });

  it("who uses it: this process; of one for threads how many there are", () => {
    const own = filled(1);
    assert.deepEqual(new Entries(own as never, false).look(0).users, [{ pid: process.pid, threads: 1 }]);
    own.close();
    const shared = new CompressedCache({ maxBytes: "1MiB", shared: true });
    const second = CompressedCache.attach(shared.share());
    assert.deepEqual(new Entries(shared as never, false).look(0).users, [{ pid: process.pid, threads: 2 }]);
    second.close();
    shared.close();
    assert.throws(() => new Entries(shared as never, false).look(0), isCode("ECLOSED"));
  });

  it("of a page store too; of what has no entries nothing", async () => {
    const store = new PageStore({ maxBytes: "1MiB" });
    const entries = new Entries(store as never, true);
    assert.equal(walked(entries, 0).counted, 0);
    for (let i = 0; i < 50; i++) store.store(i, new Uint8Array(4096).fill(i).fill(7, i, 2 * i));
    walked(entries, 0);
    assert.equal(walked(entries, 0).counted, 50);
    assert.deepEqual(walked(entries, 0).keys, [], "pages have numbers, not keys");
    await store.close();
    assert.deepEqual(new Entries({ stats: () => ({}) }, true).look(0), { entries: null, users: null });
  });
});
