/**
 * Shared memory on a file system that is tiny, full, or filled by somebody else: refusals and evictions. A page that was
 * touched without having room would end this process (SIGBUS).
 */

import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { fallbacks, type Handle, Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { snapshot, verify } from "../../src/diagnostics/index.ts";
import { type CreatePoolOptions, createPool } from "../../src/drivers/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { isCode } from "../support/is-code.ts";
import { SmallFileSystem } from "../support/small-file-system.ts";
import { openSegment } from "./segments.ts";

const PAGE = 4096;

/** Takes all room that a file system has left, as another program does. */
function fillUp({ folder }: SmallFileSystem): void {
  const file = openSync(`${folder}/filler`, "w");
  const bytes = new Uint8Array(PAGE).fill(1);
  try {
    for (;;) writeSync(file, bytes);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  }
  closeSync(file);
  assert.equal(roomOf({ folder }), 0);
}

function empty({ folder }: SmallFileSystem): void {
  rmSync(`${folder}/filler`);
}

function roomOf({ folder }: Pick<SmallFileSystem, "folder">): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Objects of a pool, by what they are filled with. */
class Objects {
  readonly held = new Map<Handle, { size: number; fill: number }>();
  readonly #pool: ReturnType<typeof createPool>;
  readonly #prng: Prng;

  constructor(pool: ReturnType<typeof createPool>, seed: number) {
    this.#pool = pool;
    this.#prng = new Prng(seed);
  }

  /** Adds objects until the pool refuses. How many there were. */
  fill(): number {
    for (let count = 0; ; count++) {
      const size = 1 + this.#prng.below(this.#pool.maxObjectBytes);
      const handle = this.#pool.alloc(size);
      if (handle === "ENOMEM" || handle === "ENOSPC") {
        assert.equal(handle, "ENOMEM");
        return count;
      }
      assert.equal(typeof handle, "number");
      const fill = this.#prng.below(256);
      this.#pool.write(handle as Handle, new Uint8Array(size).fill(fill));
      this.held.set(handle as Handle, { size, fill });
    }
  }

  free(share: number): void {
    for (const handle of this.held.keys()) {
      if (this.#prng.below(100) >= 100 * share) continue;
      this.#pool.free(handle);
      this.held.delete(handle);
    }
  }

  check(): void {
    for (const [handle, { size, fill }] of this.held) {
      const bytes = new Uint8Array(size);
      assert.equal(this.#pool.read(handle, bytes), size);
      assert.ok(bytes.every((byte) => byte === fill));
    }
    verify(this.#pool);
    snapshot(this.#pool);
  }
}

const POOLS: [driver: string, options: CreatePoolOptions][] = [
  ["zbud", { maxBytes: 2 ** 24 }],
  ["zbud", { maxBytes: 2 ** 24, pageSize: 512 }],
  ["slots", { maxBytes: 2 ** 24 }],
  ["slots", { maxBytes: 2 ** 24, pageSize: 16_384 }],
  ["zsmalloc", { maxBytes: 2 ** 24 }],
  ["log", { maxBytes: 2 ** 24 }],
  ["size-classes", { maxBytes: 2 ** 24, pageSizes: [1024, 3328, 8192] }],
];

describe("a file system of 1 MiB", () => {
  for (const [driver, options] of POOLS) {
    it(`a pool: ${driver} ${JSON.stringify(options)}`, (t) => {
      using mounted = new SmallFileSystem("size=1m");
      const pool = createPool(driver, { ...options, shared: `${mounted.folder}/pool` });
      const objects = new Objects(pool, 1);
      const first = objects.fill();
      const bytes = pool.totalBytes;
      t.diagnostic(`${first} objects in ${bytes} bytes of pages`);
      assert.ok(bytes > 2 ** 18, "what room there is gets used");
      assert.ok(fallbacks().includes("file-system-full"));
      assert.equal(objects.fill() < 50, true);
      objects.check();

      objects.free(0.5);
      objects.check();
      assert.ok(objects.fill() > first / 8, "there is room again");
      objects.check();

      // What is given back is somebody else's then, and has to be asked for.
      objects.free(0.9);
      pool.compact();
      const given = pool.trim();
      assert.ok(given > 2 ** 16, `${given} bytes were given back`);
      fillUp(mounted);
      const refused = objects.fill();
      objects.check();
      pool.trim();
      empty(mounted);
      assert.ok(objects.fill() > refused, "there is room again");
      objects.check();
      pool.close();
    });
  }

  it("what is too large for it: ENOMEM, with advice, and it has its room again", () => {
    using mounted = new SmallFileSystem("size=1m");
    const before = roomOf(mounted);
    const isRefused = isCode("ENOMEM", mounted.folder, "of 1 MiB", "--shm-size", "lower maxBytes");
    for (let times = 0; times < 5; times++) {
      const shared = `${mounted.folder}/cache`;
      assert.throws(() => new CompressedCache({ maxBytes: "64MiB", shared }), isRefused);
      assert.throws(() => new PageStore({ maxBytes: "4GiB", shared }), isRefused);
      assert.deepEqual(readdirSync(mounted.folder), []);
      assert.ok(roomOf(mounted) > before - 2 ** 18, `${roomOf(mounted)} bytes of ${before} are left`);
    }
  });

  it("a segment with no room for its header", () => {
    using mounted = new SmallFileSystem("size=1m");
    fillUp(mounted);
    const name = `${mounted.folder}/app`;
    assert.throws(() => openSegment({ name }), isCode("ENOMEM", mounted.folder, "0 MiB free of 1 MiB"));
    empty(mounted);
    assert.equal(openSegment({ name }).isNew, true);
  });

  it("no more files: ENOMEM", () => {
    using mounted = new SmallFileSystem("size=4m,nr_inodes=3");
    openSegment({ name: `${mounted.folder}/one` });
    openSegment({ name: `${mounted.folder}/two` });
    assert.throws(() => openSegment({ name: `${mounted.folder}/three` }), isCode("ENOMEM", mounted.folder));
  });
});

describe("a cache that has less room than it may take", () => {
  const text = (key: number, length: number): string => `${key} `.repeat(Math.ceil(length / 8));

  function work(
    cache: CompressedCache<string>,
    seed: number,
    sets: number,
  ): { found: number; refused: number } {
    const prng = new Prng(seed);
    let [found, refused] = [0, 0];
    for (let i = 0; i < sets; i++) {
      const key = prng.below(20_000);
      const result = cache.set(key, text(key, 20 + (key % 3000)), { tags: [`t${key % 10}`] });
      if (result === "ENOMEM") refused++;
      const other = prng.below(20_000);
      const value = cache.get(other);
      if (value === undefined) continue;
      assert.equal(value, text(other, 20 + (other % 3000)));
      found++;
    }
    return { found, refused };
  }

  for (const evict of ["lru", "sieve", "page"] as const) {
    it(`evicts when it is full (${evict}), and goes on`, (t) => {
      using mounted = new SmallFileSystem("size=5m");
      const cache = new CompressedCache<string>({
        maxBytes: "64MiB",
        shared: `${mounted.folder}/cache`,
        codec: "none",
        tags: true,
        ttl: 1e9,
        evict,
      });
      const first = work(cache, 1, 6000);
      const stats = cache.stats();
      t.diagnostic(`${stats.entries} entries, ${JSON.stringify(first)}`);
      assert.ok(stats.fallbacks.includes("file-system-full"), JSON.stringify(stats));
      assert.ok(stats.evictions > 1000 && stats.entries > 500, JSON.stringify(stats));
      assert.ok(first.refused < 60, `${first.refused} of 6000 were refused`);
      verify(cache);

      // Somebody takes what the cache gives back.
      cache.deleteByTag("t1");
      cache.clear();
      fillUp(mounted);
      const full = work(cache, 2, 3000);
      verify(cache);
      empty(mounted);
      const again = work(cache, 3, 3000);
      t.diagnostic(`without room ${JSON.stringify(full)}, and with it again ${JSON.stringify(again)}`);
      assert.ok(again.found > 100);
      assert.equal([...cache.keys()].length, cache.size);
      verify(cache);
      cache.close();
    });
  }

  it("a store refuses, or evicts, and goes on", async () => {
    using mounted = new SmallFileSystem("size=3m");
    const store = new PageStore({ maxBytes: "16MiB", shared: `${mounted.folder}/store`, codec: "none" });
    const page = (index: number): Uint8Array => {
      const bytes = new Uint8Array(PAGE);
      const prng = new Prng(index + 1);
      for (let at = 0; at < PAGE; at++) bytes[at] = prng.below(256);
      return bytes;
    };
    const seen: Record<string, number> = {};
    const run = (count: number): void => {
      for (let index = 0; index < count; index++) {
        const result = store.store(index, page(index));
        seen[result] = (seen[result] ?? 0) + 1;
      }
      const into = new Uint8Array(PAGE);
      for (let index = 0; index < count; index++) {
        if (store.loadSync(index, into) === "loaded") assert.deepEqual(into, page(index));
      }
      verify(store);
    };
    run(1500);
    assert.ok(store.stats().fallbacks.includes("file-system-full"));
    assert.ok(seen.stored > 200, JSON.stringify(seen));
    store.shrinkBytes(2 ** 20);
    fillUp(mounted);
    run(300);
    empty(mounted);
    await store.clear();
    const before = seen.stored;
    run(200);
    assert.equal(seen.stored, before + 200, JSON.stringify(seen));
    await store.close();
  });
});
