import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Backing } from "../../src/backing/index.ts";
import { freshPath } from "../support/fresh-path.ts";

const BYTES = 4096;
const VALUES = 2000;

/** Bytes that were copied since the last look, by whatever method copies bytes. */
let copied = 0;

type Method = (this: Uint8Array, ...parts: never[]) => unknown;

/** Counts what a method copies; before the library is there, since it keeps one of them for itself. */
function watch(
  of: object,
  name: string,
  bytesOf: (self: Uint8Array, parts: readonly never[]) => number,
): void {
  const methods = of as Record<string, Method>;
  const original = methods[name];
  methods[name] = function (...parts) {
    copied += bytesOf(this, parts);
    return original.apply(this, parts);
  };
}

watch(Buffer.prototype, "copy", (self, [, , from = 0, to = self.length]) => to - from);
watch(Uint8Array.prototype, "set", (_self, [from]) => (from as Uint8Array).length);
watch(Uint8Array.prototype, "slice", (self, [from = 0, to = self.length]) => to - from);
watch(Uint8Array.prototype, "copyWithin", (self, [, from = 0, to = self.length]) => to - from);

const { FileBacking, MemoryBacking } = await import("../../src/backing/index.ts");
const { Prng } = await import("../../src/base/index.ts");
const { CompressedCache } = await import("../../src/cache/index.ts");
const { PageStore } = await import("../../src/store/index.ts");

/** Values that do not compress, so that each is kept in as many bytes as it has. */
const prng = new Prng(7);
const values = Array.from({ length: VALUES }, () => {
  const value = new Uint8Array(BYTES);
  const words = new Uint32Array(value.buffer);
  for (let i = 0; i < words.length; i++) words[i] = prng.uint32();
  return value;
});

const openFile = (): Promise<Backing & AsyncDisposable> =>
  FileBacking.open(freshPath(), { maxBytes: "32MiB", averageBytes: BYTES, maxInFlightBytes: "32MiB" });
const KINDS: [string, () => Promise<Backing & AsyncDisposable>][] = [
  ["memory", async () => new MemoryBacking()],
  ["a file", openFile],
];

const CACHE = { maxBytes: "2MiB", codec: "none", dictionary: "none" } as const;

/** Sets all values, of which most do not stay. What was copied, and how many were evicted. */
function setAll(backing?: Backing): { bytes: number; evictions: number } {
  using cache = new CompressedCache<Uint8Array>({ ...CACHE, ...(backing === undefined ? {} : { backing }) });
  const before = copied;
  for (const [key, value] of values.entries()) cache.set(key, value);
  return { bytes: copied - before, evictions: cache.stats().evictions };
}

function assertCopies(bytes: number, count: number, wanted: number): void {
  const copies = bytes / count / BYTES;
  assert.ok(copies > wanted - 0.1 && copies < wanted + 0.1, `${copies} copies of each of ${count} values`);
}

describe("how often a value is copied on its way out of the pools, and back", () => {
  for (const [kind, open] of KINDS) {
    it(`by a cache that evicts into ${kind}: twice`, async () => {
      await using backing = await open();
      const alone = setAll();
      const { bytes, evictions } = setAll(backing);
      assert.ok(evictions > VALUES / 2 && evictions === alone.evictions, `${evictions} evictions`);
      assertCopies(bytes - alone.bytes, evictions, 2);
    });

    it(`by a page store that evicts into ${kind}, in batches and one by one: twice`, async () => {
      await using backing = await open();
      await using store = new PageStore({ maxBytes: "2MiB", codec: "none", backing });
      const before = copied;
      for (let index = 0; index < 100; index++) store.store(index, values[index]);
      const ofStores = ((copied - before) / 100) * VALUES;
      for (let index = 100; index < VALUES; index++)
        assert.equal(store.store(index, values[index]), "stored");
      await backing.flush();
      const { writes } = backing.stats();
      assert.ok(writes > VALUES / 2, `${writes} writes`);
      assertCopies(copied - before - ofStores, writes, 2);
    });
  }

  it("by a page store that is flushed: twice, though many go in one call", async () => {
    await using backing = new MemoryBacking();
    await using store = new PageStore({ maxBytes: "2MiB", codec: "none", backing });
    for (let index = 0; index < 100; index++) store.store(index, values[index]);
    const before = copied;
    await store.flush();
    assert.equal(backing.stats().writes, 100);
    assertCopies(copied - before, 100, 2);
  });

  it("from a file: once to its caller, and once into the pool", async () => {
    await using backing = await openFile();
    setAll(backing);
    await backing.flush();
    using cache = new CompressedCache<Uint8Array>({ ...CACHE, backing });
    const before = copied;
    for (let key = 0; key < 100; key++) assert.deepEqual(await cache.getAsync(key), values[key]);
    assert.equal(cache.stats().backingHits, 100);
    assertCopies(copied - before, 100, 2);
  });
});
