import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { heapDelta } from "../../bench/harness.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { checkBooks } from "./cache-checks.ts";

const CHILD = join(import.meta.dirname, "memory-child.ts");

/**
 * Bytes of the heap that an operation takes, once V8 has compiled it, which it does behind the program's back and
 * late on a busy machine.
 */
function heapOf(operation: (i: number) => void): number {
  const rounds = 4096;
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 100 && least >= 1; round++) {
    const bytes = heapDelta(() => {
      for (let i = 0; i < rounds; i++) operation(i);
    });
    assert.notEqual(bytes, null, "run with --expose-gc, as npm run test:unit does");
    least = Math.min(least, (bytes as number) / rounds);
  }
  return least;
}

describe("memory", () => {
  it("getInto and set of bytes take nothing from the heap", () => {
    const cache = new CompressedCache<Uint8Array>({ maxBytes: "16MiB", dictionary: "none", clock: () => 5 });
    const keys = Array.from({ length: 4096 }, (_, i) => `key ${i}`);
    const prng = new Prng(1);
    const values = keys.map((_, i) =>
      Buffer.from(`{"id":${prng.uint32()},"text":"${"word ".repeat(20 + (i % 64))}"}`),
    );
    const target = new Uint8Array(4096);
    const sets = heapOf((i) => cache.set(keys[i], values[(i * 7) & 4095]));
    const gets = heapOf((i) => cache.getInto(keys[i], target));
    // Less than the smallest object: what is counted are the test's own few, spread over many calls.
    assert.ok(gets < 4, `${gets} bytes a getInto`);
    assert.ok(sets < 4, `${sets} bytes a set`);
  });

  it("bytesReserved never changes, and is at most maxBytes, whatever is stored", () => {
    for (const maxBytes of [2 ** 20, 3_000_000, 2 ** 25]) {
      const cache = new CompressedCache<Uint8Array>({ maxBytes, tags: true });
      const { bytesReserved } = cache;
      assert.ok(
        bytesReserved <= maxBytes && bytesReserved > maxBytes * 0.8,
        `${bytesReserved} of ${maxBytes}`,
      );
      const prng = new Prng(maxBytes);
      for (let i = 0; i < 3000; i++) {
        const bytes = Uint8Array.from({ length: prng.below(i % 10 === 0 ? 20_000 : 800) }, () =>
          prng.below(256),
        );
        const result = cache.set(prng.below(2000), bytes, { tags: [`t${i % 5}`] });
        assert.ok(result === "add" || result === "replace" || result === "E2BIG", result);
        assert.equal(cache.bytesReserved, bytesReserved);
      }
      const { bytesUsed, evictions } = cache.stats();
      assert.ok(bytesUsed <= bytesReserved);
      assert.ok(maxBytes > 2 ** 24 || evictions > 0);
      checkBooks(cache as CompressedCache<unknown>);
      cache.close();
    }
  });

  it("the largest value, one byte more, and one that a small cache has no room for", () => {
    const cache = new CompressedCache<Uint8Array>({ maxBytes: "1MiB" });
    const prng = new Prng(4);
    const noise = Uint8Array.from({ length: 2 ** 20 + 1 }, () => prng.below(256));
    assert.equal(cache.set("a", noise.subarray(0, 1000)), "add");
    assert.equal(cache.set("a", noise), "E2BIG");
    assert.equal(cache.has("a"), false);
    assert.equal(cache.set("a", noise.subarray(1)), "E2BIG");
    assert.equal(cache.set("a", new Uint8Array(2 ** 20)), "add");
    const fits = noise.subarray(0, Math.min(cache.maxEntrySize - 64, 2 ** 20));
    assert.equal(cache.set("a", fits), "replace");
    assert.deepEqual(cache.get("a"), fits);
    checkBooks(cache as CompressedCache<unknown>);
  });

  it("the bytes in use after any sequence are those of what is there", () => {
    const cache = new CompressedCache<string>({ maxBytes: "8MiB", maxEntries: 200, tags: true });
    const prng = new Prng(8);
    const lengths = new Map<number, number>();
    for (let i = 0; i < 5000; i++) {
      const key = prng.below(150);
      if (prng.chance(0.2)) {
        cache.delete(key);
        lengths.delete(key);
      } else {
        const text = `${i} `.repeat(1 + prng.below(900));
        cache.set(key, text);
        lengths.set(key, text.length);
      }
    }
    const { entries, originalBytes, storedBytes } = cache.stats();
    assert.equal(entries, lengths.size);
    assert.equal(
      originalBytes,
      [...lengths.values()].reduce((sum, length) => sum + length, 0),
    );
    assert.ok(storedBytes > 0 && storedBytes < originalBytes);
    cache.clear();
    const after = cache.stats();
    assert.deepEqual([after.entries, after.originalBytes, after.storedBytes], [0, 0, 0]);
    checkBooks(cache as CompressedCache<unknown>);
  });

  it("the resident size is what bytesUsed says, and at most bytesReserved and the thread's buffers", () => {
    const result = spawnSync(
      process.execPath,
      ["--expose-gc", "--disable-warning=ExperimentalWarning", CHILD],
      {
        encoding: "utf8",
        timeout: 120_000,
      },
    );
    assert.equal(result.status, 0, result.stderr);
    const { grown, bytesUsed, bytesReserved } = JSON.parse(result.stdout) as Record<string, number>;
    // Besides: compiled code, the codec's memory, the heap's own slack.
    const slack = 32 * 2 ** 20;
    assert.ok(grown < bytesReserved + slack, result.stdout);
    assert.ok(Math.abs(grown - bytesUsed) < slack, result.stdout);
  });
});
