/** A second tier that does not take the dictionary which its entries need. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FileBacking, MemoryBacking, type StoredEntry } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { emptyRecord } from "../../src/record/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { fill, noise, record } from "./dictionary-helpers.ts";
import { FailingBacking } from "./failing-backing.ts";

const COUNT = 40;

/** Fills a file with records of so many bytes, as long as it takes some. */
function fillFile(backing: FileBacking, length: number, from: number): number {
  const bytes = new Uint8Array(length);
  let k0 = from;
  while (backing.writeSync({ ...emptyRecord(), k0, k1: 7, bytes, storedLength: length, length }) === "ok")
    k0++;
  return k0;
}

function remove(backing: FileBacking, k0: number): void {
  backing.delete({ k0, k1: 7, prefix: new Uint8Array(0) });
}

/** Values of these keys that a cache after the one before finds in a file. */
async function foundAfter(path: string): Promise<number> {
  const backing = await FileBacking.open(path, { maxBytes: "2MiB" });
  const cache = new CompressedCache<unknown>({ maxBytes: "16MiB", backing });
  let found = 0;
  for (let i = 0; i < COUNT; i++) if ((await cache.getAsync(i)) === record(i)) found++;
  cache.close();
  await backing.close();
  return found;
}

describe("a file that has room for entries, and none for their dictionary", () => {
  async function nearlyFull(
    path: string,
  ): Promise<{ cache: CompressedCache<unknown>; backing: FileBacking }> {
    const backing = await FileBacking.open(path, { maxBytes: "2MiB" });
    const cache = new CompressedCache<unknown>({ maxBytes: "16MiB", backing, improve: false });
    await fill(cache);
    cache.clear();
    const { bytes } = cache.stats().dictionary;
    assert.ok(bytes > 20_000, `a dictionary of ${bytes} bytes`);
    const long = fillFile(backing, bytes, 1);
    remove(backing, long - 1);
    const short = fillFile(backing, 2000, long);
    for (const k0 of [short - 1, short - 2]) remove(backing, k0);
    for (let i = 0; i < COUNT; i++) cache.set(i, record(i));
    return { cache, backing };
  }

  it("close() says that they are lost: who comes after could not read them", async () => {
    const path = freshPath();
    const { cache, backing } = await nearlyFull(path);
    assert.deepEqual(cache.close(), { entriesWritten: 0, entriesLost: COUNT, backingFullOf: "bytes" });
    await backing.close();
    assert.equal(await foundAfter(path), 0);
  });

  it("flush() says that they are not there; once there is room they are", async () => {
    const path = freshPath();
    const { cache, backing } = await nearlyFull(path);
    assert.deepEqual(await cache.flush(), { entriesWritten: 0, entriesLeft: COUNT, backingFullOf: "bytes" });
    for (let k0 = 1; k0 < 10; k0++) remove(backing, k0);
    assert.deepEqual(await cache.flush(), { entriesWritten: COUNT, entriesLeft: 0, backingFullOf: null });
    assert.deepEqual(cache.close(), { entriesWritten: 0, entriesLost: 0, backingFullOf: null });
    await backing.close();
    assert.equal(await foundAfter(path), COUNT);
  });
});

describe("a tier that did not take the dictionary", () => {
  const ways = {
    fails: () => Promise.reject(new Error("it fails")),
    refuses: async (records: readonly StoredEntry[]) => records.map(() => "EAGAIN" as const),
  };
  for (const [name, way] of Object.entries(ways)) {
    it(`is given it again, since others need it: it ${name} at first`, async () => {
      const inner = new MemoryBacking();
      const backing = new FailingBacking(inner);
      const cache = new CompressedCache<unknown>({ maxBytes: "1MiB", backing, maxWriteBytesPerSecond: 0 });
      await fill(cache, record);
      cache.clear();
      const write = inner.write.bind(inner);
      const evictAll = async (): Promise<void> => {
        const { evictions } = cache.stats();
        for (let i = 0; cache.stats().evictions < evictions + COUNT; i++) cache.set(`noise ${i}`, noise(i));
        await cache.flush();
      };
      for (let i = 0; i < COUNT; i++) cache.set(i, record(i));
      inner.write = way;
      await evictAll();
      inner.write = write;
      for (let i = 0; i < COUNT; i++) cache.set(i, record(i));
      while (cache.has(COUNT - 1)) await evictAll();
      const other = new CompressedCache<unknown>({ maxBytes: "1MiB", backing });
      let found = 0;
      for (let i = 0; i < COUNT; i++) if ((await other.getAsync(i)) === record(i)) found++;
      assert.equal(found, COUNT);
      for (const each of [other, cache]) each.close();
    });
  }
});
