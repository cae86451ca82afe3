/** A flush goes through a store in steps, so that nothing else waits for all of it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { MemoryBacking } from "../../src/backing/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { slotsDriver } from "../../src/drivers/slots/index.ts";
import { dirtyRows, Engine, entryAttributes } from "../../src/engine/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { makePage } from "./pages.ts";

const PAGE = 512;
const into = new Uint8Array(PAGE);
const filled = new Uint8Array(PAGE).fill(7);

/** Turns of the event loop that pass while something is under way. */
async function turnsOf(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = async (): Promise<void> => {
    for (; !isOver; turns++) await turn();
  };
  void count();
  await work;
  isOver = true;
  return turns;
}

describe("a flush in steps", () => {
  it("of a shard that is nearly all clean takes a turn for some thousand pages", async () => {
    const store = new PageStore({ maxBytes: "16MiB", pageSize: PAGE, backing: new MemoryBacking() });
    for (let i = 0; i < 60_000; i++) store.store(i, filled);
    await store.flush();
    store.store(70_000, filled);
    const turns = await turnsOf(store.flush());
    assert.ok(turns >= 60_000 / 8192, `${turns} turns`);
    assert.equal(store.stats().cleanPages, 60_001);
    await store.close();
  });

  it("of a shard that is all dirty takes a turn for each batch", async () => {
    const sizes: number[] = [];
    class Counting extends MemoryBacking {
      override write(...args: Parameters<MemoryBacking["write"]>): ReturnType<MemoryBacking["write"]> {
        sizes.push(args[0].length);
        return super.write(...args);
      }
    }
    const store = new PageStore({ maxBytes: "16MiB", pageSize: PAGE, backing: new Counting() });
    for (let i = 0; i < 5000; i++) store.store(i, makePage(i, 1, PAGE));
    const turns = await turnsOf(store.flush());
    assert.ok(turns >= 5000 / 64, `${turns} turns`);
    assert.equal(Math.max(...sizes), 64);
    assert.equal(sizes.length, Math.ceil(5000 / 64));
    await store.close();
  });

  it("what is stored, overwritten and compressed anew meanwhile is written, or dirty, and never lost", async () => {
    const backing = new MemoryBacking();
    const store = new PageStore({ maxBytes: "16MiB", pageSize: PAGE, backing });
    for (let i = 0; i < 4000; i++) store.store(i, makePage(i, 1, PAGE));
    let version = 2;
    let isOver = false;
    const flushed = store.flush().then(() => {
      isOver = true;
    });
    while (!isOver) {
      await turn();
      for (let i = 0; i < 20; i++) {
        const index = (version * 7919) % 4000;
        if (version % 5 === 0) store.invalidate(index);
        else store.store(index, makePage(index, version, PAGE));
        version++;
      }
      store.recompress("deflate", 2);
    }
    await flushed;
    await store.flush();
    verify(store);
    const { cleanPages, storedPages } = store.stats();
    assert.equal(cleanPages, storedPages);
    assert.equal(backing.stats().records, storedPages);
    for (let i = 0; i < 4000; i += 7) {
      if (store.load(i, into) !== "loaded") continue;
      const read = await backing.read({ k0: i, k1: 0, prefix: new Uint8Array(0) });
      assert.notEqual(read, null);
    }
    await store.close();
  });

  it("a step looks at no more rows than it may, and all steps together meet each dirty entry once", () => {
    const engine = new Engine({ maxBytes: 2 ** 20, driver: slotsDriver, maxValueBytes: PAGE });
    const attributes = entryAttributes();
    for (let i = 0; i < 500; i++) engine.put(i, 0, filled, PAGE, attributes, 0);
    for (let i = 0; i < 500; i += 5) engine.remove(i, 0, new Uint8Array(0), 0);
    const seen: number[] = [];
    let steps = 0;
    for (let from = 1; from > 0; steps++) {
      const { rows, next } = dirtyRows(engine, 0, from, 64, 10);
      assert.ok(next === 0 || (next > from && next - from <= 64));
      assert.ok(rows.length <= 20);
      for (let at = 0; at < rows.length; at += 2) seen.push(rows[at]);
      if (steps % 2 === 0) engine.put(3, 0, filled, PAGE, attributes, 0);
      from = next;
    }
    assert.ok(steps >= 40);
    assert.equal(new Set(seen).size, seen.length);
    assert.ok(seen.length >= 399);
    engine.close();
  });
});
