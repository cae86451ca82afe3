import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FileBacking, MemoryBacking } from "../../src/backing/index.ts";
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
