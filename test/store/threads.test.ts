import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { FileBacking } from "../../src/backing/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { driverTypes } from "../../src/pool/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { killWorkers } from "./worker-kills.ts";

registerBuiltIns();

describe("a store that threads share", () => {
  const folder = temporaryFolder("store");
  const base = { kills: 8, seed: 1, threads: 3, indices: 300 };

  for (const driver of driverTypes()) {
    it(`${driver}: workers are killed at random moments`, { timeout: 120_000 }, async () => {
      const options = { maxBytes: 1_500_000, shards: 2, driver, whenFull: "drop" } as const;
      assert.ok((await killWorkers({ ...base, options })) > 100);
    });
  }
  it("with a file behind, which all threads read and write", { timeout: 120_000 }, async () => {
    const backing = await FileBacking.open(join(folder, "pages"), { maxBytes: 2 ** 26 });
    const options = { maxBytes: 500_000, shards: 1 } as const;
    assert.ok((await killWorkers({ ...base, seed: 2, options, backing })) > 100);
    await backing.close();
  });

  it("a store of one thread cannot be shared, and what is no store cannot be attached", async () => {
    const store = new PageStore({ maxBytes: "1MiB" });
    assert.throws(() => store.share(), { code: "EINVAL" });
    assert.throws(() => PageStore.attach({} as never), { code: "EINVAL" });
    const shared = new PageStore({ maxBytes: "1MiB", shared: true });
    assert.throws(() => PageStore.attach({ ...shared.share(), store: 99 }), { code: "EBADMSG" });
    await store.close();
    await shared.close();
  });

  it("two threads' views: what one stores the other loads, has the codec change and the driver", async () => {
    const store = new PageStore({ maxBytes: "4MiB", shared: true, driver: "zbud", drivers: ["slots"] });
    const other = PageStore.attach(store.share(), { codec: "zstd" });
    const page = new Uint8Array(4096).map((_, i) => i % 50);
    const into = new Uint8Array(4096);
    store.store(1, page);
    assert.equal(other.load(1, into), "loaded");
    assert.deepEqual(into, page);
    other.useDriver("slots");
    other.store(2, page);
    store.store(3, page);
    for (const index of [1, 2, 3]) assert.equal(store.load(index, into), "loaded");
    assert.throws(() => store.useDriver("zsmalloc"), { code: "EINVAL" });
    store.invalidate(1);
    assert.equal(other.load(1, into), "missing");
    assert.equal(other.stats().storedPages, 2);
    verify(store);
    await other.close();
    await store.close();
  });
});
