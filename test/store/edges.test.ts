/** What happens at the edges of calls: aborts, closes, slow and failing backing stores, other threads in between. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BackingKey,
  FileBacking,
  MemoryBacking,
  type StoredEntry,
  type WriteOutcome,
} from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import { codecNames, getCodec } from "../../src/codecs/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { keyIn } from "../backing/records.ts";
import { freshPath } from "../support/fresh-path.ts";
import { until } from "../support/until.ts";
import { makePage } from "./pages.ts";

const PAGE = 4096;
const into = new Uint8Array(PAGE);

/** Lets the event loop turn. */
async function turns(count: number): Promise<void> {
  for (; count > 0; count--) await new Promise((resolve) => setImmediate(resolve));
}

/** A backing store that several views of a store can have, and that can be told what to do. */
class Scripted extends MemoryBacking {
  fails = false;
  onHas: (() => void) | null = null;
  override write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    if (!this.fails) return super.write(records);
    for (const record of records) this.delete(keyIn(record));
    return Promise.resolve(records.map(() => new ZbudError("EIO", "the disk is gone")));
  }
  override writeSync(record: StoredEntry): WriteOutcome {
    if (!this.fails) return super.writeSync(record);
    this.delete(keyIn(record));
    return new ZbudError("EIO", "the disk is gone");
  }
  override has(key: BackingKey): boolean {
    const act = this.onHas;
    this.onHas = null;
    act?.();
    return super.has(key);
  }
  share(): unknown {
    return {};
  }
}

describe("aborts and ends", () => {
  it("a flush that is aborted before it begins rejects once, and no other promise does", async () => {
    const store = new PageStore({ maxBytes: "1MiB", backing: new MemoryBacking() });
    store.store(1, makePage(1));
    const reason = new Error("no longer wanted");
    await assert.rejects(store.flush({ signal: AbortSignal.abort(reason) }), reason);
    // A rejection that nobody handles would be told by now, and fail the test.
    await turns(5);
    await store.close();
  });

  it("nothing is taken once close was called, and a second close waits for the first", async () => {
    const backing = new MemoryBacking({ delayMs: 10 });
    const store = new PageStore({ maxBytes: "1MiB", backing });
    store.store(1, makePage(1));
    const first = store.close();
    assert.throws(() => store.store(2, makePage(2)), { code: "ECLOSED" });
    await store.close();
    assert.equal(backing.stats().records, 1);
    await first;
  });

  it("a flush waits for single pages on their way, and writes those whose write failed", async () => {
    const backing = new Scripted({ delayMs: 5 });
    const store = new PageStore({ maxBytes: "1MiB", backing, incompressible: "writeback" });
    const raw = Array.from({ length: 40 }, (_, i) => i).filter((i) => {
      store.store(i, makePage(i));
      return store.stats().storedIncompressiblePages > 0 && backing.stats().bytesInFlight > 0;
    });
    assert.ok(raw.length > 0, "some pages do not compress");
    backing.fails = true;
    for (let i = 40; i < 80; i++) store.store(i, makePage(i));
    backing.fails = false;
    await store.flush();
    assert.equal(backing.stats().records, 80);
    await store.close();
  });
});

describe("buffers", () => {
  for (const codec of codecNames()) {
    it(`${codec}: bytes behind the page stay as they are`, async () => {
      const backing = new MemoryBacking();
      const store = new PageStore({ maxBytes: "1MiB", codec, backing });
      for (let i = 0; i < 20; i++) store.store(i, makePage(i));
      await store.flush();
      for (const isAway of [false, true]) {
        if (isAway) store.shrinkBytes(2 ** 20);
        for (let i = 0; i < 20; i++) {
          const long = new Uint8Array(2 * PAGE).fill(0xee);
          assert.equal(await store.loadAsync(i, long), "loaded");
          assert.deepEqual(long.subarray(0, PAGE), makePage(i));
          assert.ok(long.subarray(PAGE).every((byte) => byte === 0xee));
        }
      }
      await store.close();
    });
  }

  it("a file of compressed pages, opened by a store without memory", async () => {
    const path = freshPath();
    const codecs = codecNames();
    const backing = await FileBacking.open(path, { maxBytes: 2 ** 22 });
    const store = new PageStore({ maxBytes: "1MiB", backing });
    for (let i = 0; i < 40; i++) {
      store.useCodec(codecs[i % codecs.length]);
      store.store(i, makePage(i));
    }
    await store.close();
    await backing.close();
    const again = await FileBacking.open(path, { maxBytes: 2 ** 22 });
    const other = new PageStore({ maxBytes: 0, backing: again });
    for (let i = 0; i < 40; i++) {
      assert.equal(await other.loadAsync(i, into), "loaded");
      assert.deepEqual(into, makePage(i));
    }
    await other.close();
    await again.close();
  });
});

describe("slow and failing backing stores", () => {
  it("a page is loaded though thousands of others are stored while it is read", async () => {
    const backing = new MemoryBacking({ delayMs: 5 });
    const store = new PageStore({ maxBytes: "4MiB", backing });
    store.store(1_000_000, makePage(3));
    await store.flush();
    store.shrinkBytes(2 ** 20);
    let isDone = false;
    const loading = store.loadAsync(1_000_000, into).finally(() => {
      isDone = true;
    });
    const same = new Uint8Array(PAGE);
    const before = backing.stats().reads;
    for (let i = 0; !isDone; i++) {
      store.store(i % 3000, same);
      if (i % 3000 === 0) await turns(1);
    }
    assert.equal(await loading, "loaded");
    assert.deepEqual(into, makePage(3));
    assert.ok(backing.stats().reads - before <= 2);
    await store.close();
  });

  it("a page that is overwritten while it is read is not given in its older version afterwards", async () => {
    const backing = new MemoryBacking({ delayMs: 5 });
    const store = new PageStore({ maxBytes: "1MiB", backing });
    store.store(1, makePage(1, 1));
    await store.flush();
    store.shrinkBytes(2 ** 20);
    const loading = store.loadAsync(1, into);
    store.store(1, makePage(1, 2));
    assert.equal(await loading, "loaded");
    assert.deepEqual(into, makePage(1, 2));
    assert.equal(store.load(1, into), "loaded");
    assert.deepEqual(into, makePage(1, 2));
    await store.close();
  });

  it("storeAsync says full, and waits no longer, when the backing store takes nothing", async () => {
    const backing = new Scripted();
    backing.fails = true;
    const store = new PageStore({ maxBytes: 140_000, backing });
    let result = "stored";
    for (let i = 0; i < 1000 && result === "stored"; i++) result = await store.storeAsync(i, makePage(i));
    assert.equal(result, "full");
    backing.fails = false;
    store.shrinkBytes(10_000);
    assert.equal(await store.storeAsync(2000, makePage(2000)), "stored");
    store[Symbol.dispose]();
  });

  it("writeback that is switched off holds for pages that do not compress as well", async () => {
    const backing = new MemoryBacking();
    const store = new PageStore({
      maxBytes: "1MiB",
      backing,
      incompressible: "writeback",
      writeback: false,
    });
    for (let i = 0; i < 40; i++) store.store(i, makePage(i));
    await turns(50);
    assert.equal(backing.stats().writes, 0);
    await store.close();
  });

  it("a clock that is set back does not hold up the write budget", () => {
    let time = 1e6;
    const backing = new MemoryBacking();
    const maxWriteBytesPerSecond = 100_000;
    const store = new PageStore({ maxBytes: 140_000, backing, maxWriteBytesPerSecond, clock: () => time });
    let index = 0;
    while (store.store(index, makePage(index)) === "stored") index++;
    time = 0;
    while (store.store(index, makePage(index)) === "stored") index++; // one asks for room, and sees that clock
    time += 1000;
    const { records } = backing.stats();
    for (let i = 0; i < 10; i++) store.store(index + i, makePage(index + i));
    assert.ok(backing.stats().records > records);
    store[Symbol.dispose]();
  });

  it("a full file whose deleted records are part of the last flush takes pages again", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, { maxBytes: 2 ** 19, unclean: "flushed" });
    const store = new PageStore({ maxBytes: 140_000, backing });
    for (let i = 0; i < 1000 && (await store.storeAsync(i, makePage(i))) === "stored"; i++);
    await store.flush().catch((error: unknown) => assert.ok(error instanceof ZbudError));
    for (let i = 0; i < 1000; i++) store.invalidate(i);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 120; i++) {
        const isStored = async (): Promise<boolean> =>
          (await store.storeAsync(i, makePage(i, round))) === "stored";
        await until(`page ${i} of round ${round} is stored`, isStored);
      }
    }
    store[Symbol.dispose]();
    await backing.close();
  });
});

describe("several threads", () => {
  it("a page that others overwrite while it is looked for is never missing", async () => {
    const backing = new Scripted();
    const store = new PageStore({ maxBytes: "4MiB", shared: true, backing });
    const other = PageStore.attach(store.share(), { backing });
    store.store(1, makePage(1, 1));
    await store.flush();
    store.shrinkBytes(2 ** 22);
    backing.onHas = () => other.store(1, makePage(1, 5));
    assert.equal(store.load(1, into), "loaded");
    assert.deepEqual(into, makePage(1, 5));
    backing.onHas = () => other.invalidate(1);
    store.shrinkBytes(2 ** 22);
    assert.equal(store.load(1, into), "missing");
    other[Symbol.dispose]();
    store[Symbol.dispose]();
  });

  it("all threads have the backing store, or none, and it is one for several threads", () => {
    const one = new PageStore({ maxBytes: "4MiB", shared: true, backing: new MemoryBacking() });
    assert.throws(() => one.share(), { code: "ENOTSUP" });
    const two = new PageStore({ maxBytes: "4MiB", shared: true, backing: new Scripted() });
    assert.throws(() => PageStore.attach(two.share()), { code: "EINVAL" });
    const three = new PageStore({ maxBytes: "4MiB", shared: true });
    assert.throws(() => PageStore.attach(three.share(), { backing: new Scripted() }), { code: "EINVAL" });
    for (const store of [one, two, three]) store[Symbol.dispose]();
  });

  it("large pages make fewer shards", () => {
    for (const pageSize of [2 ** 16, 2 ** 19, 2 ** 20]) {
      const store = new PageStore({ maxBytes: "32MiB", pageSize, shared: true });
      assert.equal(store.store(1, new Uint8Array(pageSize)), "stored");
      store[Symbol.dispose]();
    }
  });
});

describe("what can go, goes", () => {
  it("pages that the backing store has go though it takes no others", async () => {
    const backing = new Scripted();
    const store = new PageStore({ maxBytes: "1MiB", backing });
    for (let i = 0; i < 50; i++) store.store(i, makePage(i));
    await store.flush();
    for (let i = 50; i < 90; i++) store.store(i, makePage(i));
    const clean = Array.from({ length: 50 }, (_, i) => store.load(i, into)).length;
    assert.equal(store.stats().cleanPages, clean);
    backing.fails = true;
    const { bytesFreed } = store.shrinkBytes(2 ** 20);
    assert.ok(bytesFreed > 0);
    assert.equal(store.stats().cleanPages, 0);
    assert.equal(store.size, 40);
    store[Symbol.dispose]();
  });

  it("recompression gets behind the many that it has looked at already", () => {
    const store = new PageStore({ maxBytes: "64MiB", pageSize: 512, incompressible: "raw" });
    const text = new TextEncoder();
    for (let i = 0; i < 25_000; i++) {
      store.store(i, text.encode(`${i} is a page of words, words and words `.repeat(20)).slice(0, 512));
    }
    for (let round = 0; round < 10; round++) store.recompress(getCodec("deflate"), 30_000);
    store.store(1e6, text.encode("another page of words, words, words ".repeat(20)).slice(0, 512));
    const seen: number[] = [];
    const codec = { ...getCodec("none"), name: "spy", id: 200 };
    const spy = Object.assign(Object.create(getCodec("deflate")), codec, {
      compress: (source: Uint8Array) => {
        seen.push(source.length);
        return 0;
      },
    });
    for (let round = 0; round < 10; round++) store.recompress(spy, 30_000);
    assert.equal(seen.length, 1);
    store[Symbol.dispose]();
  });
});
