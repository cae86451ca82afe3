import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { describe, it } from "node:test";
import { type Backing, FileBacking, KeyvBacking, MemoryBacking } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { freshPath } from "../support/fresh-path.ts";

/** Files that two threads might open each for itself, and a store that is no file. */
async function withFiles(use: (own: FileBacking, other: FileBacking) => Promise<void> | void): Promise<void> {
  const own = await FileBacking.open(freshPath(), { maxBytes: "1MiB" });
  const other = await FileBacking.open(freshPath(), { maxBytes: "1MiB" });
  await use(own, other);
  await own.close();
  await other.close();
}

const REFUSAL = { code: "EINVAL", message: /has another backing store than this (?:file|memory) one/ };

describe("whoever attaches brings the backing store that the others have", () => {
  it("a cache", async () => {
    await withFiles((own, other) => {
      const cache = new CompressedCache<string>({ maxBytes: "1MiB", shared: true, backing: own });
      for (const backing of [other, new MemoryBacking()])
        assert.throws(() => CompressedCache.attach(cache.share(), { backing }), REFUSAL);
      const attached = FileBacking.attach(own.share());
      CompressedCache.attach(cache.share(), { backing: attached }).close();
      cache.close();
    });
  });

  it("a page store", async () => {
    await withFiles(async (own, other) => {
      const store = new PageStore({ maxBytes: "1MiB", shared: true, backing: own });
      for (const backing of [other, new MemoryBacking()])
        assert.throws(() => PageStore.attach(store.share(), { backing }), REFUSAL);
      await PageStore.attach(store.share(), { backing: own }).close();
      await store.close();
    });
  });
});

describe("whoever makes a cache or a page store on a backing store", () => {
  const open = {
    cache: (backing: Backing) => new CompressedCache<string>({ maxBytes: "1MiB", backing }),
    "page store": (backing: Backing) => new PageStore({ maxBytes: "1MiB", backing }),
  };

  for (const [user, make] of Object.entries(open)) {
    it(`is refused one that was closed: a ${user}`, async () => {
      const file = await FileBacking.open(freshPath(), { maxBytes: "1MiB" });
      for (const backing of [file, new MemoryBacking(), new KeyvBacking({ store: new Map() })]) {
        await backing.close();
        assert.throws(() => make(backing), {
          code: "ECLOSED",
          message: new RegExp(`of this ${user} was closed`),
        });
      }
    });
  }

  for (const user of ["cache", "page store"] as const) {
    const [own, other] =
      user === "cache" ? (["cache", "page store"] as const) : (["page store", "cache"] as const);
    it(`is refused a file with the records of a ${user}, now and after a restart`, async () => {
      const path = freshPath();
      const refusal = {
        code: "EINVAL",
        message: new RegExp(`has the records of a ${own}, so a ${other} cannot`),
      };
      for (const found of ["new", "clean", "clean"]) {
        const backing = await FileBacking.open(path, { maxBytes: "1MiB" });
        assert.equal(backing.opened?.found, found);
        // The second time by those who come first.
        if (found === "clean") assert.throws(() => open[other](backing), refusal);
        const first = open[own](backing);
        assert.throws(() => open[other](backing), refusal);
        await first.close();
        await backing.close();
      }
      // One that is begun anew is anybody's.
      const left = await FileBacking.open(path, { maxBytes: "1MiB" });
      const copy = freshPath();
      copyFileSync(path, copy);
      await left.close();
      const emptied = await FileBacking.open(copy, { maxBytes: "1MiB" });
      assert.equal(emptied.opened?.found, "empty");
      await open[other](emptied).close();
      await emptied.close();
    });
  }

  it("finds it noted by the flush before a kill", async () => {
    const path = freshPath();
    const options = { maxBytes: "1MiB", unclean: "flushed" } as const;
    const backing = await FileBacking.open(path, options);
    const cache = open.cache(backing);
    cache.set("a", "value");
    await cache.flush();
    const copy = freshPath();
    copyFileSync(path, copy);
    const again = await FileBacking.open(copy, options);
    assert.equal(again.opened?.found, "flushed");
    assert.throws(() => open["page store"](again), { code: "EINVAL" });
    const next = open.cache(again);
    assert.equal(await next.getAsync("a"), "value");
    for (const each of [next, cache]) each.close();
    for (const each of [again, backing]) await each.close();
  });
});
