/** A second tier that fails, in every way in which something can fail, is a miss. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import {
  type Backing,
  type BackingKey,
  FileBacking,
  MemoryBacking,
  type StoredEntry,
} from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";

const folder = temporaryFolder("tier");

const GARBAGE: unknown[] = [
  undefined,
  null,
  7,
  "text",
  {},
  [],
  [undefined],
  { key: {}, bytes: new Uint8Array(3) },
  { key: { k0: 0, k1: 0, prefix: Buffer.from("a") }, bytes: new Uint8Array(100), version: 1, codec: 0 },
  { key: { k0: 0, k1: 0, prefix: Buffer.from("a") }, bytes: new Uint8Array(100), version: 0.5, codec: 1e9 },
  { key: { k0: 0, k1: 0, prefix: Buffer.from("another") }, bytes: new Uint8Array(40), version: 1, codec: 0 },
];

type Way = [string, () => unknown];
const WAYS: Way[] = [
  [
    "throws",
    () => {
      throw new TypeError("thrown");
    },
  ],
  [
    "throws ECLOSED",
    () => {
      throw new ZbudError("ECLOSED", "closed");
    },
  ],
  ["rejects", () => Promise.reject(new Error("rejected"))],
  ["rejects with nothing", () => Promise.reject()],
  ...GARBAGE.map((value, i): Way => [`answers ${i}`, () => value]),
  ...GARBAGE.map((value, i): Way => [`resolves to ${i}`, () => Promise.resolve(value)]),
];

const METHODS = ["write", "read", "has", "delete", "clear", "flush"] as const;

/** A tier of which some methods fail from when `fails` is set. */
function faulty(
  methods: readonly string[],
  fail: () => unknown,
): { backing: Backing; fails: { on: boolean } } {
  const inner = new MemoryBacking();
  const fails = { on: false };
  const backing = new Proxy(inner, {
    get(target, name) {
      if (fails.on && methods.includes(name as string)) return fail;
      const member = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { backing: backing as unknown as Backing, fails };
}

/** All that a cache does, with a tier that fails. */
async function useIt(cache: CompressedCache<string>): Promise<void> {
  for (let i = 0; i < 10; i++) assert.equal(cache.set(`k${i}`, `new ${i}`), "add");
  assert.equal(cache.get("k9"), "new 9");
  assert.equal(cache.delete("k9"), true);
  assert.equal(cache.get("k9"), undefined);
  const seen = await cache.getAsync("k0");
  assert.ok(seen === undefined || seen === "new 0", `k0 is ${seen}`);
  const a = await cache.getAsync("a");
  assert.ok(a === undefined || a === "old", `a is ${a}`);
  assert.equal(await cache.getOrSet("b", () => "loaded"), "loaded");
  assert.equal(cache.get("b"), "loaded");
  assert.equal(cache.set("b", "x".repeat(2 ** 26 + 1)), "E2BIG");
  cache.set("t", "tagged", { tags: ["t"] });
  assert.equal(cache.deleteByTag("t"), 1);
  cache.clear();
  assert.equal(cache.size, 0);
  await new Promise((resolve) => setImmediate(resolve));
  verify(cache);
}

describe("whatever way the tier fails, the cache works", () => {
  for (const [name, fail] of WAYS) {
    it(`each method, and all at once, ${name}`, async () => {
      for (const methods of [...METHODS.map((method) => [method]), METHODS]) {
        const { backing, fails } = faulty(methods, fail);
        const cache = new CompressedCache<string>({ maxBytes: "4MiB", maxEntries: 3, tags: true, backing });
        for (const key of ["a", "p1", "p2", "p3"]) cache.set(key, "old");
        await cache.flush();
        fails.on = true;
        await useIt(cache);
        const { backingReadsFailed, backingWritesFailed } = cache.stats();
        if (methods.includes("read") && name !== "answers 1" && name !== "resolves to 1") {
          assert.ok(backingReadsFailed > 0 || methods.length > 1, `${methods}: no read is counted as failed`);
        }
        if (methods.includes("write"))
          assert.ok(backingWritesFailed > 0, `${methods}: no write is counted as failed`);
        if (methods.includes("flush") && /throws|rejects/.test(name)) {
          await assert.rejects(cache.flush(), { name: "ZbudError", code: "EIO" });
        }
        cache.close();
      }
    });
  }

  it("a key that the tier could not be told of never has its old value again", async () => {
    for (const [, fail] of WAYS.slice(0, 2)) {
      const { backing, fails } = faulty(["delete"], fail);
      const cache = new CompressedCache<string>({ maxBytes: "4MiB", maxEntries: 3, backing });
      const other = CompressedCache.attach<string>(cache.share(), { backing });
      for (const key of ["a", "b", "p1", "p2", "p3"]) cache.set(key, "old");
      await cache.flush();
      fails.on = true;
      cache.set("a", "new", { ttl: 1 });
      cache.delete("b");
      fails.on = false;
      for (const key of ["p1", "p2", "p3"]) cache.set(key, "p");
      assert.equal(await cache.getAsync("b"), undefined);
      assert.notEqual(await cache.getAsync("a"), "old");
      other.close();
    }
  });
});

describe("a tier that is closed before the cache", () => {
  const OPEN: [string, () => Promise<Backing>][] = [
    ["memory", async () => new MemoryBacking()],
    ["file", async () => await FileBacking.open(join(folder, "closed"), { maxBytes: 2 ** 22 })],
  ];
  for (const [name, openTier] of OPEN) {
    it(`${name}: reads miss, loads load, flush says what is the matter`, async () => {
      const backing = await openTier();
      const cache = new CompressedCache<string>({ maxBytes: "4MiB", maxEntries: 3, tags: true, backing });
      for (const key of ["a", "p1", "p2", "p3"]) cache.set(key, "old");
      await cache.flush();
      await backing.close();
      await useIt(cache);
      await assert.rejects(cache.flush(), { code: "EIO", message: /closed before the cache/ });
      await assert.rejects(cache[Symbol.asyncDispose](), { code: "EIO" });
      assert.throws(() => cache.get("a"), { code: "ECLOSED" }, "the cache was closed all the same");
    });
  }
});

/** A tier that answers a read when it is let, whatever the signal says. */
class SlowTier extends MemoryBacking {
  readonly answer = Promise.withResolvers<void>();

  override async read(key: BackingKey): Promise<StoredEntry | null> {
    const record = await super.read(key);
    await this.answer.promise;
    return record;
  }
}

describe("a tier that answers late", () => {
  const ENDS: [string, (cache: CompressedCache<string>, controller: AbortController) => void][] = [
    ["its only caller gave up", (_cache, controller) => controller.abort(new Error("enough"))],
    ["the cache was closed", (cache) => cache.close()],
  ];
  for (const [name, end] of ENDS) {
    it(`nothing is loaded once ${name}`, async () => {
      const backing = new SlowTier();
      const cache = new CompressedCache<string>({ maxBytes: "4MiB", backing });
      const other = CompressedCache.attach<string>(cache.share(), { backing });
      const controller = new AbortController();
      const { signal } = controller;
      const got = cache.getOrSet("a", () => assert.fail("not called"), { signal });
      const rejected = assert.rejects(got, /enough|closed/);
      end(cache, controller);
      await rejected;
      backing.answer.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      const { loads, loadsFailed } = other.stats();
      assert.deepEqual({ loads, loadsFailed }, { loads: 0, loadsFailed: 0 });
      other.close();
    });
  }

  it("what is too large for this cache, and was changed meanwhile, is not given", async () => {
    const backing = new SlowTier();
    const value = Array.from({ length: 3e5 }, (_, i) =>
      String.fromCharCode(33 + (((i * i * 7919) >>> 7) % 90)),
    ).join("");
    const large = new CompressedCache<string>({ maxBytes: "16MiB", maxEntries: 1, codec: "none", backing });
    large.set("a", value);
    large.set("b", "b");
    await large.flush();
    const small = new CompressedCache<string>({ maxBytes: "1MiB", codec: "none", backing });
    assert.ok(small.maxEntrySize < value.length);
    const before = small.getAsync("a");
    small.set("a", "new");
    backing.answer.resolve();
    assert.equal(await before, "new");
    assert.equal(small.get("a"), "new");
    large.set("a", value);
    large.set("b", "b");
    small.delete("a");
    large.set("a", value);
    large.set("b", "b");
    await large.flush();
    assert.equal(await small.getAsync("a"), value, "it is given if nobody changed it");
    for (const cache of [large, small]) cache.close();
  });
});

describe("the tier and changes by others", () => {
  it("changes of other keys during a read do not make it a miss", async () => {
    const cache = new CompressedCache<string>({
      maxBytes: "4MiB",
      maxEntries: 3,
      backing: new MemoryBacking({ delayMs: 2 }),
    });
    for (const key of ["a", "p1", "p2", "p3"]) cache.set(key, key);
    await cache.flush();
    const reading = cache.getAsync("a");
    for (let i = 0; i < 2000; i++) cache.set(`other ${i}`, "x");
    assert.equal(await reading, "a");
    assert.equal(cache.get("a"), "a");
  });
});
