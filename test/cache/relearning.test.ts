/** What becomes of the dictionary when values change: another one is learned, and nothing is lost of what has the first. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { on, once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { QUIET_FLAG, ROOT } from "../../scripts/tools.ts";
import { FileBacking, MemoryBacking } from "../../src/backing/index.ts";
import { canShare, crc32, Prng } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { CODEC_SHIFT, STATE } from "../../src/engine/table.ts";
import { freshPath } from "../support/fresh-path.ts";
import { until } from "../support/until.ts";
import { checkBooks } from "./cache-checks.ts";
import { event, fill, fillUntilLearned, noise, record } from "./dictionary-helpers.ts";

const COUNT = 6000;
const SHARE = 0.03;

function makeCache(options: Partial<CompressedCacheOptions<unknown>> = {}): CompressedCache<unknown> {
  return new CompressedCache<unknown>({ maxBytes: "16MiB", ...options });
}

async function setAll(
  cache: CompressedCache<unknown>,
  valueFor: (i: number) => unknown,
  from = 0,
): Promise<void> {
  for (let i = 0; i < COUNT; i++) {
    cache.set(from + i, valueFor(i));
    if (i % 100 === 0) await turn();
  }
}

/** Stored bytes of an entry. */
function perEntry(cache: CompressedCache<unknown>): number {
  const { storedBytes, entries } = cache.stats();
  return storedBytes / entries;
}

/** How many entries have a codec with each of the dictionaries. */
function perSlot(cache: CompressedCache<unknown>): number[] {
  const counts = [0, 0, 0, 0];
  for (const { queue, rows, words } of cache.inside().shards) {
    for (let row = queue.first(); row !== 0; row = queue.after(row)) {
      const codec = (words[rows.at(row) + STATE] >> CODEC_SHIFT) & 0xff;
      if (codec > 119) counts[(127 - codec) >> 1]++;
    }
  }
  return counts;
}

const KINDS: Record<string, Partial<CompressedCacheOptions<unknown>>> = {
  "by default": {},
  "in one thread": { shared: false },
  "with shards, tags and times to live": { shards: 4, tags: true, ttl: 1e9 },
  "by zstd": { codec: "zstd" },
};

describe("values of another kind than those that the dictionary was learned from", () => {
  for (const [name, options] of Object.entries(KINDS)) {
    it(`after two passes it holds what a fresh cache does, ${name}`, async () => {
      const fresh = makeCache(options);
      await fill(fresh, event);
      for (let pass = 0; pass < 2; pass++) await setAll(fresh, event);
      const wanted = perEntry(fresh);
      fresh.close();
      const cache = makeCache(options);
      await fill(cache);
      await setAll(cache, record);
      const { learned, learnedMax, trials } = cache.stats().dictionary;
      assert.deepEqual({ learned, learnedMax, trials }, { learned: 1, learnedMax: 4, trials: 0 });
      for (let pass = 0; pass < 2; pass++) await setAll(cache, event);
      await until("as small as in a fresh cache", () => perEntry(cache) <= wanted * (1 + SHARE));
      assert.equal(cache.stats().dictionary.learned, 2);
      assert.equal(cache.stats().dictionary.state, "in-use");
      checkBooks(cache);
      for (let i = 0; i < COUNT; i++) assert.equal(cache.get(i), event(i));
      cache.close();
    });
  }

  it("what has the first dictionary is compressed anew with the second where that helps, and is readable in any case", async () => {
    const cache = makeCache();
    await fill(cache);
    // These have keys of their own, so all of the first kind stay.
    for (let i = 0; cache.stats().dictionary.learned < 2; i++) {
      cache.set(`event ${i}`, event(i));
      if (i % 20 === 0) await turn();
    }
    await until("events that were set meanwhile have it", () => perSlot(cache)[1] > 4000);
    assert.ok(perSlot(cache)[0] > 1500, "records keep the one they had");
    for (let i = 0; i < 2000; i++) assert.equal(cache.get(i), record(i));
    for (let i = 0; i < 4000; i++) assert.equal(cache.get(`event ${i}`), event(i));
    checkBooks(cache);
    cache.close();
  });

  it("kinds that take turns: few trials, and in the end a dictionary for both", async () => {
    const cache = makeCache();
    await fill(cache);
    for (let turns = 0; turns < 12; turns++) await setAll(cache, turns % 2 === 0 ? event : record);
    const { learned, trials } = cache.stats().dictionary;
    assert.ok(learned <= 4, `${learned} learned`);
    // 72,000 sets, of which those after trial n are at least 4,000 × 2^n.
    assert.ok(trials <= 4, `${trials} trials`);
    const sizes: number[] = [];
    for (const valueFor of [event, record]) {
      await setAll(cache, valueFor);
      sizes.push(perEntry(cache));
    }
    assert.ok(Math.max(...sizes) < 120, `${sizes} bytes an entry: without a dictionary it is 290`);
    cache.close();
  });

  it("noise first, then records: it is tried again, and learned", async () => {
    const cache = makeCache();
    assert.equal((await fill(cache, noise)).dictionary.state, "no-use");
    await fillUntilLearned(cache, record, 1);
    const { state, learned, trials } = cache.stats().dictionary;
    assert.deepEqual({ state, learned }, { state: "in-use", learned: 1 });
    assert.ok(trials >= 1 && trials <= 3);
    cache.close();
  });

  it("noise for ever: the pauses double", async () => {
    const cache = makeCache();
    await fill(cache, noise);
    const values = Array.from({ length: 100 }, (_, i) => noise(i));
    for (let i = 0; i < 200_000; i++) {
      cache.set(i % 1000, values[i % 100]);
      if (i % 200 === 0) await turn();
    }
    const { learned, trials } = cache.stats().dictionary;
    assert.equal(learned, 0);
    assert.ok(trials >= 1 && trials <= 6, `${trials} trials`);
    cache.close();
  });

  it("a dictionary that was given stays", async () => {
    const cache = makeCache({ dictionary: Buffer.from(record(1) + record(2)) });
    for (let pass = 0; pass < 4; pass++) await setAll(cache, event);
    const { learned, learnedMax, trials } = cache.stats().dictionary;
    assert.deepEqual({ learned, learnedMax, trials }, { learned: 1, learnedMax: 1, trials: 0 });
    cache.close();
  });

  it("when all slots are taken, it goes on with the best of them", async () => {
    const KINDS_OF_VALUES = [record, event].flatMap((valueFor) =>
      [0, 1, 2].map((shift) => {
        // Letters of other words: nothing is shared between two of them.
        return (i: number): string =>
          valueFor(i).replace(/[a-z]/g, (letter) =>
            String.fromCharCode(97 + ((letter.charCodeAt(0) - 97 + 7 * shift) % 26)),
          );
      }),
    );
    const cache = makeCache({ maxBytes: "2MiB" });
    await fill(cache, KINDS_OF_VALUES[0]);
    for (const count of [2, 3]) await fillUntilLearned(cache, KINDS_OF_VALUES[count - 1], count);
    const { learned, learnedMax } = cache.stats().dictionary;
    assert.deepEqual({ learned, learnedMax }, { learned: 3, learnedMax: 3 });
    // The first kind again: its dictionary is still there.
    const hasFirst = (): boolean => {
      const [before] = perSlot(cache);
      cache.set("probe", KINDS_OF_VALUES[0](7));
      const [after] = perSlot(cache);
      return cache.delete("probe") && after > before;
    };
    const signal = AbortSignal.timeout(60_000);
    while (!hasFirst()) {
      for (let k = 0; k < 500; k++) cache.set(k, KINDS_OF_VALUES[0](k));
      await turn(undefined, { signal });
    }
    assert.equal(cache.stats().dictionary.learned, 3);
    for (let k = 0; k < 500; k++) assert.equal(cache.get(k), KINDS_OF_VALUES[0](k));
    checkBooks(cache);
    cache.close();
  });
});

describe("who learns again is killed", () => {
  for (const point of ["learning", "copying", "copied"] as const) {
    it(`a process that has it (${point}): the first dictionary stays in use, and another one learns the second`, async () => {
      const path = freshPath();
      const there = makeCache({ maxBytes: "8MiB", shared: path });
      const child = join(ROOT, "test/cache/dictionary-kill-child.ts");
      const killed = spawn(process.execPath, [QUIET_FLAG, child, path, point, "2"], { stdio: "inherit" });
      const [, signal] = await once(killed, "exit");
      assert.equal(signal, "SIGKILL");
      const { state, learned, trials } = there.stats().dictionary;
      assert.deepEqual({ state, learned, trials }, { state: "in-use", learned: 1, trials: 1 });
      for (let i = 0; i < 2000; i++) {
        const value = there.get(i);
        assert.ok(value === record(i) || value === event(i));
      }
      await fillUntilLearned(there, event, 2);
      for (let i = 0; i < 2000; i++) there.set(i, event(i));
      assert.ok(perEntry(there) < 120);
      assert.equal(there.stats().dictionary.error, "the thread that learned it is gone");
      for (let i = 0; i < 2000; i++) assert.equal(there.get(i), event(i));
      checkBooks(there);
      there.close();
    });
  }

  it("threads, at any moment: what is held is readable, and the last one has it learned", {
    skip: !canShare() && "nothing is shared",
  }, async () => {
    const prng = new Prng(5);
    const cache = makeCache({ maxBytes: "8MiB" });
    await fill(cache);
    for (let kill = 0; kill < 12; kill++) {
      const workerData = { shared: cache.share(), from: prng.below(1000) };
      const worker = new Worker(new URL("./relearning-worker.ts", import.meta.url), { workerData });
      const sets = 1000 * (1 + prng.below(8));
      for await (const [done] of on(worker, "message")) if (done >= sets) break;
      const { threadId } = worker;
      await worker.terminate();
      cache.threadGone(threadId);
      for (let i = 0; i < 2000; i += 37) {
        const value = cache.get(i);
        assert.ok(value === undefined || value === record(i) || value === event(i));
      }
    }
    await fillUntilLearned(cache, event, 2);
    for (let i = 0; i < 2000; i++) cache.set(i, event(i));
    assert.ok(perEntry(cache) < 120);
    for (let i = 0; i < 2000; i++) assert.equal(cache.get(i), event(i));
    checkBooks(cache);
    cache.close();
  });
});

/** A cache whose values have two dictionaries: records the first, events the second. */
async function withTwo(
  options: Partial<CompressedCacheOptions<unknown>> = {},
): Promise<CompressedCache<unknown>> {
  const cache = makeCache({ improve: false, ...options });
  await fill(cache);
  await setAll(cache, record, 10_000);
  for (let i = 0; cache.stats().dictionary.learned < 2; i++) {
    cache.set(i % 2000, event(i % 2000));
    if (i % 20 === 0) await turn();
  }
  for (let i = 0; i < 2000; i++) cache.set(i, event(i));
  const [first, second] = perSlot(cache);
  assert.ok(first > 1000 && second > 1000, `${first} and ${second} entries`);
  return cache;
}

function assertAll(cache: CompressedCache<unknown>): void {
  for (let i = 0; i < 2000; i++) assert.equal(cache.peek(i), event(i));
  for (let i = 0; i < COUNT; i++) assert.equal(cache.peek(10_000 + i), record(i));
}

describe("values with two dictionaries", () => {
  it("are read in threads that attach, which use the second one", {
    skip: !canShare() && "nothing is shared",
  }, async () => {
    const cache = await withTwo();
    const other = CompressedCache.attach<unknown>(cache.share());
    assertAll(other);
    const [, before] = perSlot(cache);
    for (let i = 0; i < 100; i++) other.set(`more ${i}`, event(i));
    assert.ok(perSlot(cache)[1] >= before + 99);
    for (const each of [other, cache]) each.close();
  });

  it("are saved and loaded with both", async () => {
    const cache = await withTwo();
    const path = freshPath();
    const saved = await cache.save(path);
    const kinds: Partial<CompressedCacheOptions<unknown>>[] = [
      {},
      { dictionary: "none" },
      { codec: "zstd" },
      { backing: new MemoryBacking() },
    ];
    for (const kind of kinds) {
      const other = makeCache({ improve: false, ...kind });
      assert.equal(await other.load(path), saved);
      assertAll(other);
      checkBooks(other);
      if (kind.codec === undefined && kind.dictionary === undefined) {
        const { state, learned, bytes } = other.stats().dictionary;
        assert.deepEqual({ state, learned }, { state: "in-use", learned: 2 });
        assert.equal(bytes, cache.stats().dictionary.bytes);
        assert.deepEqual(perSlot(other), perSlot(cache), "as they are");
        const [, before] = perSlot(other);
        other.set("another", event(1));
        assert.equal(perSlot(other)[1], before + 1, "the second one is in use");
        other.delete("another");
      }
      other.close();
    }
    // Into itself: both dictionaries are there.
    cache.clear();
    assert.equal(await cache.load(path), saved);
    assertAll(cache);
    assert.ok(perSlot(cache)[0] > 1000 && perSlot(cache)[1] > 1000);
    cache.close();
  });

  it("a saved file that says something else of its dictionaries is refused", async () => {
    const cache = await withTwo();
    const path = freshPath();
    await cache.save(path);
    const file = readFileSync(path);
    assert.equal(file.readUInt32LE(24), 2 + 256, "two, of which the second is in use");
    const refused = async (change: (bytes: Buffer) => void, what: RegExp): Promise<void> => {
      const bytes = Buffer.from(file);
      change(bytes);
      const end = 32 + file.readUInt32LE(16);
      bytes.writeUInt32LE(crc32(bytes.subarray(32, end)), 20);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
      writeFileSync(path, bytes);
      const other = makeCache();
      await assert.rejects(other.load(path), { code: "EBADMSG", message: what });
      assert.equal(other.size, 0);
      assert.equal(other.stats().dictionary.learned, 0);
      other.close();
    };
    for (const many of [1, 3, 5, 255, 2 + 2 * 256, 2 + 2 ** 31]) {
      await refused((bytes) => bytes.writeUInt32LE(many, 24), /wrong numbers/);
    }
    for (const length of [0, 2 ** 32 - 1, file.readUInt32LE(32) + 1]) {
      await refused((bytes) => bytes.writeUInt32LE(length, 32), /wrong numbers/);
    }
    await refused((bytes) => bytes.writeUInt32LE(0, 24), /entry 0 is damaged/);
    cache.close();
  });

  it("go to a file and come back, in this run and the next", async () => {
    const path = freshPath();
    const first = await FileBacking.open(path, { maxBytes: "32MiB" });
    const cache = await withTwo({ maxBytes: "16MiB", backing: first, improve: true });
    await cache.flush();
    cache.resize("1200KiB");
    let away = 0;
    for (let i = 0; i < COUNT; i++) {
      if (!cache.has(10_000 + i)) away++;
      assert.equal(await cache.getAsync(10_000 + i), record(i));
    }
    assert.ok(away > 100, `${away} came back`);
    assert.equal(cache.stats().backingReadsFailed, 0);
    cache.close();
    await first.close();
    const second = await FileBacking.open(path, { maxBytes: "32MiB" });
    const next = makeCache({ backing: second });
    assert.equal(next.stats().dictionary.learned, 2);
    for (let i = 0; i < 2000; i++) assert.equal(await next.getAsync(i), event(i));
    for (let i = 0; i < COUNT; i++) assert.equal(await next.getAsync(10_000 + i), record(i));
    assert.equal(next.stats().backingReadsFailed, 0);
    next.close();
    await second.close();
  });
});
