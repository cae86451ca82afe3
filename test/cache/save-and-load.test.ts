import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { checkBooks, FakeClock } from "./cache-checks.ts";

registerBuiltIns();

const folder = temporaryFolder("cache-file");
let files = 0;
const newPath = (): string => join(folder, `file-${++files}`);

const clock = new FakeClock();
const open = (options: Partial<CompressedCacheOptions<unknown>> = {}) =>
  new CompressedCache<unknown>({ maxBytes: "8MiB", tags: true, clock: clock.read, ...options });

function filled(
  options: Partial<CompressedCacheOptions<unknown>> = {},
  count = 500,
): CompressedCache<unknown> {
  const cache = open(options);
  const prng = new Prng(3);
  for (let i = 0; i < count; i++) {
    const text = `{"id":${i},"name":"somebody","text":"${"lorem ipsum ".repeat(prng.below(40))}"}`;
    const value = i % 5 === 0 ? Buffer.from(text) : i % 5 === 1 ? { i, text } : i % 50 === 2 ? "" : text;
    cache.set(i % 3 === 0 ? i : `key ${i}`, value, { tags: [`t${i % 4}`], ttl: i % 7 === 0 ? 1000 : 0 });
  }
  cache.set("zeros", new Uint8Array(10_000));
  cache.set(
    "noise",
    Uint8Array.from({ length: 40_000 }, () => prng.below(256)),
  );
  return cache;
}

describe("a cache in a file", () => {
  for (const [from, to] of [
    [{}, {}],
    [{}, { codec: "zstd", driver: "zbud" }],
    [{ codec: "zstd" }, {}],
    [{ dictionary: Buffer.from('{"id":1,"name":"somebody","text":"lorem ipsum lorem ipsum"}') }, {}],
    [
      { dictionary: Buffer.from('{"id":1,"name":"somebody","text":"lorem ipsum lorem ipsum"}') },
      { dictionary: "none" as const },
    ],
    [{ codec: "none" }, { shards: 2, shared: false }],
  ]) {
    it(`from ${JSON.stringify(from).slice(0, 40)} to ${JSON.stringify(to)}`, async () => {
      const path = newPath();
      const cache = filled(from);
      const count = await cache.save(path);
      assert.equal(count, cache.size);
      const loaded = open(to);
      assert.equal(await loaded.load(path), count);
      if ((to as { shards?: number }).shards === undefined) {
        assert.deepEqual([...loaded.keys()], [...cache.keys()]);
      }
      for (const [key, value] of cache) assert.deepStrictEqual(loaded.peek(key), value);
      assert.equal(loaded.deleteByTag("t1"), cache.deleteByTag("t1"));
      clock.now += 1001;
      loaded.purgeStale();
      cache.purgeStale();
      assert.equal(loaded.size, cache.size);
      checkBooks(loaded);
      assert.deepEqual(
        readdirSync(folder).filter((name) => name.endsWith(".tmp")),
        [],
      );
    });
  }

  it("what moves while the file is written is in it, and what is set anew has the new value or the old", async () => {
    const path = newPath();
    const cache = open({ shards: 1, dictionary: "none" });
    const prng = new Prng(5);
    const noise = (): Uint8Array => Uint8Array.from({ length: 200 }, () => prng.below(256));
    for (let i = 0; i < 20_000; i++) cache.set(i, noise());
    for (let i = 0; i < 20_000; i++) if (i % 5 !== 0) cache.delete(i);
    const values = new Map([...cache.entries()]);
    for (const file of readdirSync(folder)) rmSync(join(folder, file));
    const saving = cache.save(path);
    let isSaved = false;
    void saving.then(() => {
      isSaved = true;
    });
    let isMoved = false;
    const written = (): number =>
      Math.max(
        0,
        ...readdirSync(folder).map((name) =>
          name.startsWith("file-") ? statSync(join(folder, name)).size : 0,
        ),
      );
    for (let turns = 0; !isSaved; turns++) {
      if (!isMoved && written() > 2 ** 17) {
        isMoved = true;
        cache.resize(6 * 2 ** 20);
      }
      cache.set(5 * turns, "new");
      await new Promise(setImmediate);
    }
    assert.ok(isMoved, "nothing was written before the end");
    const loaded = open();
    await loaded.load(path);
    for (const [key, value] of values) {
      const got = loaded.get(key);
      assert.ok(got !== undefined, `${String(key)} is lost`);
      if (got !== "new") assert.deepEqual(got, value);
    }
    assert.equal(loaded.size, values.size);
    cache.close();
    loaded.close();
  });

  it("what expired since is left out, and the order of use is kept", async () => {
    const path = newPath();
    const cache = open();
    cache.set("short", "x", { ttl: 10 });
    for (const key of ["a", "b", "c"]) cache.set(key, key);
    cache.get("a");
    await cache.save(path);
    clock.now += 11;
    const loaded = open({ maxEntries: 2 });
    await loaded.load(path);
    assert.deepEqual([...loaded.keys()], ["a", "c"]);
  });

  it("any byte that is damaged is found out, and so is a file that was cut off", async () => {
    const path = newPath();
    const cache = filled({}, 20);
    await cache.save(path);
    const good = readFileSync(path);
    const prng = new Prng(7);
    const places = [...Array(40).keys(), ...Array.from({ length: 60 }, () => prng.below(good.length))];
    for (const place of [...places, good.length - 1, good.length - 12]) {
      const bad = Buffer.from(good);
      bad[place] ^= 1 << prng.below(8);
      writeFileSync(path, bad);
      const loaded = open();
      await assert.rejects(loaded.load(path), { code: "EBADMSG" }, `byte ${place}`);
      for (const [key, value] of loaded) assert.deepStrictEqual(cache.peek(key), value);
      checkBooks(loaded);
      loaded.close();
    }
    for (let cut = 0; cut < 30; cut++) {
      writeFileSync(path, good);
      truncateSync(path, prng.below(good.length));
      await assert.rejects(open().load(path), { code: "EBADMSG" });
    }
  });

  it("no file, no folder, a folder", async () => {
    const cache = filled({}, 5);
    await assert.rejects(cache.load(join(folder, "nothing")), { code: "ENOENT" });
    await assert.rejects(cache.save(join(folder, "nowhere", "x")), { code: "ENOENT" });
    await assert.rejects(cache.load(folder), { name: "ZbudError" });
    assert.equal(cache.size, 7);
  });

  it("an aborted save leaves the old file, and no other", async () => {
    const path = newPath();
    writeFileSync(path, "old");
    const reason = new Error("enough");
    await assert.rejects(filled().save(path, { signal: AbortSignal.abort(reason) }), reason);
    assert.equal(readFileSync(path, "utf8"), "old");
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".tmp")),
      [],
    );
  });
});
