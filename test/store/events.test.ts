/** What the backing store loses or cannot do is published or thrown, and figures count what they say. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import { MemoryBacking } from "../../src/backing/index.ts";
import { WriteBudget, ZbudError } from "../../src/base/index.ts";
import { type Codec, getCodec } from "../../src/codecs/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { COUNTERS_BYTES, Counters } from "../../src/store/counters.ts";
import { PageStore, STORE_CHANNEL, type StoreEvent } from "../../src/store/index.ts";
import { makePage } from "./pages.ts";

const PAGE = 4096;
const into = new Uint8Array(PAGE);

/** What is published from here on. */
function heard(): { all: StoreEvent[]; of(op: StoreEvent["op"]): StoreEvent[]; end(): void } {
  const all: StoreEvent[] = [];
  const listen = (event: unknown): void => {
    all.push(event as StoreEvent);
  };
  subscribe(STORE_CHANNEL, listen);
  return {
    all,
    of: (op) => all.filter((event) => event.op === op),
    end: () => unsubscribe(STORE_CHANNEL, listen),
  };
}

/** Fails where it is told to. */
class Failing extends MemoryBacking {
  clearFails = true;
  readFails = false;
  override read(...args: Parameters<MemoryBacking["read"]>): ReturnType<MemoryBacking["read"]> {
    return this.readFails ? Promise.reject(new ZbudError("EIO", "the disk is gone")) : super.read(...args);
  }
  override readSync(...args: Parameters<MemoryBacking["readSync"]>): ReturnType<MemoryBacking["readSync"]> {
    if (this.readFails) throw new ZbudError("EIO", "the disk is gone");
    return super.readSync(...args);
  }
  override clear(): Promise<void> {
    return this.clearFails ? Promise.reject(new ZbudError("EIO", "the disk is gone")) : super.clear();
  }
}

describe("events and figures", () => {
  it("a page that the backing store has lost is written again before it leaves memory", async () => {
    const backing = new MemoryBacking();
    const store = new PageStore({ maxBytes: "1MiB", backing, acceptThresholdPercent: 100 });
    for (let i = 0; i < 100; i++) store.store(i, makePage(i));
    await store.flush();
    assert.equal(store.stats().cleanPages, 100);
    for (let i = 0; i < 100; i += 2) backing.delete({ k0: i, k1: 0, prefix: new Uint8Array(0) });
    for (let i = 1000; i < 3000; i++) assert.equal(await store.storeAsync(i, makePage(i)), "stored");
    verify(store);
    for (let i = 0; i < 100; i++) {
      assert.equal(await store.loadAsync(i, into), "loaded", `page ${i}`);
      assert.deepEqual(into, makePage(i));
    }
    await store.close();
  });

  it("without a place for what was lost it stays in memory", async () => {
    const backing = new MemoryBacking();
    const store = new PageStore({ maxBytes: "1MiB", backing });
    for (let i = 0; i < 100; i++) store.store(i, makePage(i));
    await store.flush();
    await backing.clear();
    store.writeback = false;
    for (let i = 1000; i < 3000; i++) store.store(i, makePage(i));
    for (let i = 0; i < 100; i++) assert.equal(store.load(i, into), "loaded");
    assert.equal(store.stats().cleanPages, 0);
    verify(store);
    await store.close();
  });

  it("a clear that fails rejects, and the next flush says so, once", async () => {
    const backing = new Failing();
    const store = new PageStore({ maxBytes: "1MiB", backing });
    await assert.rejects(store.clear(), { code: "EIO" });
    await assert.rejects(store.flush(), { code: "EIO" });
    await store.flush();
    void store.clear(); // who does not wait has no unhandled rejection
    store.store(1, makePage(1));
    await assert.rejects(store.flush(), { code: "EIO" });
    assert.equal(backing.stats().records, 1, "flush wrote all the same");
    backing.clearFails = false;
    await store.clear();
    assert.equal(store.load(1, into), "missing");
    await store.close();
  });

  it("the write budget is one for all threads", () => {
    const first = new Counters(new SharedArrayBuffer(COUNTERS_BYTES));
    const second = new Counters(first.buffer as SharedArrayBuffer);
    let time = 5000;
    const budgets = [first, second].map(({ budget }) => new WriteBudget(budget, 1000, () => time));
    assert.deepEqual(
      budgets.map((each) => each.waitMs()),
      [0, 0],
    );
    budgets[0].spend(600);
    budgets[1].spend(1400);
    for (const each of budgets) assert.equal(each.waitMs(), 1001);
    time += 1002;
    for (const each of budgets) assert.equal(each.waitMs(), 0);
    time -= 4000;
    for (const each of budgets) assert.equal(each.waitMs(), 0, "a clock that is set back");
  });

  it("writeback and what is dropped are published, faults with their code", async () => {
    const events = heard();
    const backing = new MemoryBacking({ maxBytes: 4096 });
    const store = new PageStore({ maxBytes: "1MiB", backing });
    const index = 2 ** 32 + 7;
    store.store(index, makePage(7));
    await store.flush();
    for (let i = 0; i < 10; i++) store.store(i, makePage(i));
    await assert.rejects(store.flush(), { code: "ENOSPC" });
    const dropping = new PageStore({ maxBytes: "1MiB", whenFull: "drop" });
    for (let i = 0; i < 1500; i++) dropping.store(i, makePage(i));
    await Promise.resolve();
    events.end();
    const written = events.of("writeback");
    assert.deepEqual(written[0], { op: "writeback", index, result: "ok" });
    assert.ok(written.some(({ result }) => result === "ENOSPC"));
    assert.equal(events.of("drop").length, dropping.stats().drops);
    await dropping.close();
    store[Symbol.dispose]();
  });

  it("pages that go are told of, clean ones too, after they were written", async () => {
    const events = heard();
    const backing = new MemoryBacking();
    const store = new PageStore({ maxBytes: "1MiB", backing, acceptThresholdPercent: 100 });
    for (let i = 0; i < 50; i++) store.store(2 ** 33 + i, makePage(i));
    await store.flush();
    assert.equal(events.of("evict").length, 0, "a flush keeps all in memory");
    store.shrinkBytes(2 ** 20);
    for (let i = 0; i < 2000; i++) assert.equal(await store.storeAsync(i, makePage(i)), "stored");
    await Promise.resolve();
    const evicted = events.of("evict");
    assert.equal(evicted.length, store.stats().evictions);
    assert.equal(evicted.filter(({ index }) => index >= 2 ** 33).length, 50);
    for (const event of evicted) {
      const { index, result } = event;
      assert.equal(result, "ok");
      const written = events.all.findIndex((each) => each.op === "writeback" && each.index === index);
      assert.ok(written >= 0 && written < events.all.indexOf(event), `page ${index} was written before`);
    }
    events.end();
    await store.close();
  });

  it("reads of the backing store and what cannot be read are told of, with the code", async () => {
    const backing = new Failing();
    const store = new PageStore({ maxBytes: 0, backing });
    for (let i = 0; i < 4; i++) store.store(i, makePage(1));
    const events = heard();
    assert.equal(await store.loadAsync(0, into), "loaded");
    assert.equal(store.loadSync(1, into), "loaded");
    backing.readFails = true;
    await assert.rejects(store.loadAsync(2, into), { code: "EIO" });
    assert.throws(() => store.loadSync(3, into), { code: "EIO" });
    const controller = new AbortController();
    controller.abort();
    backing.readFails = false;
    await assert.rejects(store.loadAsync(3, into, { signal: controller.signal }));
    const told = events.of("read").map(({ index, result }) => `${index} ${result}`);
    assert.deepEqual(told, ["0 loaded", "1 loaded", "2 EIO", "3 EIO", "3 AbortError"]);
    events.end();
    await store.close();
  });

  it("a codec that throws is told of, at a store and at a load", async () => {
    const broken: Codec = {
      ...getCodec("none"),
      name: "broken",
      id: 200,
      maxCompressedLength: (n) => n,
      compress: (source) => {
        if (source[0] === 9) throw new ZbudError("EBADMSG", "not this one");
        return 10;
      },
      decompress: () => 7,
    };
    const store = new PageStore({ maxBytes: "1MiB", codec: broken, sameFilled: false });
    const events = heard();
    store.store(2 ** 35 + 1, makePage(3).fill(1));
    assert.throws(() => store.load(2 ** 35 + 1, into), { code: "EBADMSG" });
    assert.throws(() => store.store(5, makePage(3).fill(9)), { code: "EBADMSG" });
    assert.deepEqual(
      events.all.map(({ op, index, result }) => `${op} ${index - 2 ** 35} ${result}`),
      ["store 1 stored", "load 1 EBADMSG", `store ${5 - 2 ** 35} EBADMSG`],
    );
    events.end();
    await store.close();
  });

  it("pages that are read back are no stored pages, and one that waited for room was not refused", async () => {
    const backing = new MemoryBacking();
    const store = new PageStore({ maxBytes: "1MiB", backing, maxWriteBytesPerSecond: 1_000_000 });
    for (let i = 0; i < 1500; i++) assert.equal(await store.storeAsync(i, makePage(i)), "stored");
    for (let i = 0; i < 300; i++) assert.equal(await store.loadAsync(i, into), "loaded");
    const { stores, rejectReclaimFail, readBacks } = store.stats();
    assert.ok(readBacks > 100);
    assert.equal(stores, 1500);
    assert.equal(rejectReclaimFail, 0);
    await store.close();
    const full = new PageStore({ maxBytes: "1MiB" });
    let refused = 0;
    for (let i = 0; i < 1500; i++) if (full.store(i, makePage(i)) === "full") refused++;
    assert.ok(refused > 0);
    assert.equal(full.stats().rejectReclaimFail, refused);
    assert.equal(full.stats().stores, 1500 - refused);
    await full.close();
  });
});
