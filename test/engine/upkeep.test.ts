/** What an engine does with entries by their rows: order, writeback, compressing anew. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { zbudDriver } from "../../src/drivers/zbud/index.ts";
import {
  dirtyCount,
  Engine,
  type EngineOptions,
  endWriteback,
  entryAttributes,
  type FoundEntry,
  Recompressor,
  startWriteback,
  startWritebackOf,
} from "../../src/engine/index.ts";
import { emptyRecord } from "../../src/record/index.ts";

registerBuiltIns();

const PAGE = 1024;
const NONE = new Uint8Array(0);
const attributes = entryAttributes();

/** A value that lz4 makes small, and a stronger codec smaller. */
function value(id: number): Uint8Array {
  return new Uint8Array(PAGE).map((_, i) => ((i * 7919) >> 5) ^ (id + (i & 15)));
}

function put(engine: Engine, id: number): void {
  engine.put(id, 0, value(id), PAGE, attributes, 0);
}

/** An engine with the entries 1 to `count`, the last one most recently used. */
function filled(count: number, options: Partial<EngineOptions> = {}): Engine {
  const engine = new Engine({ maxBytes: 2 ** 20, driver: zbudDriver, maxValueBytes: PAGE, ...options });
  for (let id = 1; id <= count; id++) put(engine, id);
  return engine;
}

/** Names of all entries, most recently used first. */
function order(engine: Engine): number[] {
  const rows = engine.rowsOf(0);
  return Array.from({ length: rows.length / 2 }, (_, i) => {
    assert.ok(engine.readRow(0, rows[2 * i], rows[2 * i + 1]));
    return engine.found.k0;
  });
}

interface Taken {
  id: number;
  row: number;
  version: number;
}

function taken(engine: Engine, max: number): Taken[] {
  const list: Taken[] = [];
  const take = ({ k0, row, version }: FoundEntry): void => {
    list.push({ id: k0, row, version });
  };
  startWriteback(engine, 0, max, take, () => {});
  return list;
}

describe("an engine's upkeep", () => {
  it("writeback begins with what was not used for longest", () => {
    const engine = filled(8);
    engine.lookup(2, 0, NONE, 0, 0, true);
    engine.lookup(3, 0, NONE, 0, 0, false);
    assert.deepEqual(order(engine), [2, 8, 7, 6, 5, 4, 3, 1]);
    assert.deepEqual(
      taken(engine, 3).map(({ id }) => id),
      [1, 3, 4],
    );
    assert.deepEqual(
      taken(engine, 3).map(({ id }) => id),
      [5, 6, 7],
      "what is on its way is passed over",
    );
    verify(engine);
    engine.close();
  });

  for (const outcome of ["clean", "evict", "failed"] as const) {
    it(`the end of a write, ${outcome}, is nothing to a value that came since`, () => {
      const engine = filled(1);
      const [{ row, version }] = taken(engine, 1);
      put(engine, 1);
      engine.contains(1, 0, NONE, 0, 0);
      assert.equal(engine.found.row, row, "it lies in the same row");
      assert.equal(endWriteback(engine, 0, row, version, outcome), false);
      assert.ok(engine.contains(1, 0, NONE, 0, 0));
      assert.equal(engine.stats().clean, 0);
      assert.equal(engine.removeRow(0, row, version), false);
      assert.equal(engine.readRow(0, row, version), false);
      verify(engine);
      engine.close();
    });
  }

  it("a write's end: what failed is dirty and can be taken again, what is clean cannot, what goes is gone", () => {
    const engine = filled(3);
    const list = taken(engine, 3);
    const rows = Int32Array.from(list.flatMap(({ row, version }) => [row, version]));
    let again = 0;
    const count = (): void => {
      again++;
    };
    assert.equal(startWritebackOf(engine, 0, rows, count, count), 0, "all are on their way");
    for (const [i, outcome] of (["failed", "clean", "evict"] as const).entries()) {
      assert.equal(endWriteback(engine, 0, list[i].row, list[i].version, outcome), true);
    }
    assert.equal(again, 0);
    assert.equal(dirtyCount(engine, 0), 1);
    assert.equal(engine.stats().clean, 1);
    assert.equal(engine.stats().evicted, 1);
    assert.equal(
      startWritebackOf(engine, 0, rows, count, () => {}),
      1,
      "only what failed",
    );
    verify(engine);
    engine.close();
  });

  it("a value that is compressed anew keeps its place in the order, and is clean if it was", () => {
    const engine = filled(6);
    for (const { row, version } of taken(engine, 2)) endWriteback(engine, 0, row, version, "clean");
    const before = order(engine);
    const slot = engine.addCodec(strong());
    assert.equal(new Recompressor(engine).recompress(slot, 2).smaller, 2);
    assert.deepEqual(order(engine), before, "the coldest two are where they were");
    assert.equal(new Recompressor(engine).recompress(slot, 10).smaller, 4);
    assert.deepEqual(order(engine), before);
    assert.equal(engine.stats().clean, 2);
    verify(engine);
    engine.close();
  });

  it("an entry that another thread begins to write while it is compressed anew stays where it is", () => {
    const engine = filled(1);
    let writing: Taken[] = [];
    // As another thread does, between the two times that the lock is held.
    const compress = (_source: Uint8Array, target: Uint8Array): number => {
      if (writing.length === 0) writing = taken(engine, 1);
      return target.fill(1, 0, 40).length && 40;
    };
    const slot = engine.addCodec({ ...strong(), compress });
    const recompressor = new Recompressor(engine);
    assert.equal(recompressor.recompress(slot, 2).smaller, 0);
    const [{ row, version }] = writing;
    assert.equal(dirtyCount(engine, 0), 1);
    assert.equal(taken(engine, 1).length, 0, "its mark is there yet");
    assert.equal(endWriteback(engine, 0, row, version, "clean"), true, "it is what was written");
    assert.equal(engine.stats().clean, 1);
    // Then its turn comes, and it stays clean.
    recompressor.recompress(slot, 2);
    assert.equal(recompressor.recompress(slot, 2).smaller + engine.stats().recompressed, 1);
    assert.equal(engine.stats().clean, 1);
    verify(engine);
    engine.close();
  });

  it("what was looked at is looked at again for another codec, but for what has one that is named", () => {
    const engine = filled(6);
    const slot = engine.addCodec(strong());
    const other = engine.addCodec(strong(), slot + 1);
    const lookedAt = (lookedBy?: number): number => {
      const recompressor = new Recompressor(engine, {
        onlyOld: true,
        looksMax: 4,
        ...(lookedBy === undefined ? {} : { lookedBy }),
      });
      let count = 0;
      for (;;) {
        const { looked, isThrough } = recompressor.recompress(other, 2);
        count += looked;
        if (isThrough) return count;
      }
    };
    assert.equal(new Recompressor(engine).recompress(slot, 10).smaller, 6);
    assert.equal(lookedAt(), 0);
    assert.equal(lookedAt(slot), 0);
    assert.equal(lookedAt(255), 6);
    assert.equal(lookedAt(), 0, "it was looked at");
    verify(engine);
    engine.close();
  });

  it("every shard gets its part of the entries", () => {
    for (const shards of [1, 2, 4, 16]) {
      const engine = filled(400, { maxBytes: 2 ** 22, shards });
      for (let shard = 0; shard < shards; shard++) {
        const count = engine.rowsOf(shard).length / 2;
        assert.ok(count * shards > 100 && count * shards < 1000, `${count} of 400 in one of ${shards}`);
      }
      engine.close();
    }
  });

  it("many entries without pages, then few with large ones, stay within the limit", () => {
    const engine = new Engine({
      maxBytes: 2 ** 20,
      driver: zbudDriver,
      averageBytes: 2 * PAGE,
      codec: "none",
      maxValueBytes: PAGE,
      sameFilled: true,
    });
    const filledWithOne = new Uint8Array(PAGE).fill(1);
    for (let id = 1; id <= 8000; id++) engine.put(id, 0, filledWithOne, PAGE, attributes, 0);
    // Rows that were used once stay touched, so the pages may have only what they leave.
    for (let id = 8001; id <= 10_000; id++) {
      put(engine, id);
      const { bytesUsed } = engine.stats();
      assert.ok(bytesUsed <= engine.bytesReserved, `${bytesUsed} of ${engine.bytesReserved} bytes`);
    }
    verify(engine);
  });

  it("what was read elsewhere is not put once the name was put, removed or cleared", () => {
    const engine = filled(1);
    const stored = {
      ...emptyRecord(),
      k0: 1,
      bytes: value(9),
      storedLength: PAGE,
      length: PAGE,
    };
    const changes = [() => put(engine, 1), () => engine.remove(1, 0, NONE, 0), () => engine.clear()];
    for (const change of changes) {
      engine.remove(1, 0, NONE, 0);
      const epoch = engine.epoch(1, 0);
      change();
      engine.remove(2, 0, NONE, 0);
      assert.equal(engine.putStored(stored, true, 0, epoch), "stale");
    }
    engine.remove(1, 0, NONE, 0);
    assert.equal(engine.putStored(stored, true, 0, engine.epoch(1, 0)), "stored");
    assert.equal(engine.putStored(stored, true, 0, engine.epoch(1, 0)), "stale", "it is there");
    engine.close();
  });

  it("an entry whose time is over is not found at that millisecond", () => {
    const engine = new Engine({ maxBytes: 2 ** 20, driver: zbudDriver, maxValueBytes: PAGE, expiry: true });
    engine.put(1, 0, value(1), PAGE, { ...attributes, expiresAt: 100 }, 0);
    assert.equal(engine.lookup(1, 0, NONE, 0, 99, true), true);
    assert.equal(engine.lookup(1, 0, NONE, 0, 100, true), false);
    assert.equal(engine.stats().expired, 1);
    engine.close();
  });

  it("the time of the value that was found changes, and of no other", () => {
    const engine = new Engine({ maxBytes: 2 ** 20, driver: zbudDriver, maxValueBytes: PAGE, expiry: true });
    const now = (id: number): number => {
      engine.contains(id, 0, NONE, 0, 0);
      return engine.found.expiresAt;
    };
    const ends = { ...attributes, expiresAt: 100, aux: 1, aux2: 2 };
    engine.put(1, 0, value(1), PAGE, ends, 0);
    engine.contains(1, 0, NONE, 0, 0);
    const found = { ...engine.found, aux: 8, aux2: 9 };
    assert.equal(engine.setExpiry(1, 0, NONE, 0, 200, found), true);
    assert.deepEqual([now(1), engine.found.aux, engine.found.aux2], [200, 8, 9]);
    engine.put(1, 0, value(2), PAGE, ends, 0);
    assert.equal(engine.setExpiry(1, 0, NONE, 0, 300, found), false);
    assert.deepEqual([now(1), engine.found.aux, engine.found.aux2], [100, 1, 2]);
    assert.equal(engine.setExpiry(2, 0, NONE, 0, 300, found), false);
    const [row, version] = engine.rowsOf(0);
    startWriteback(
      engine,
      0,
      1,
      () => {},
      () => {},
    );
    endWriteback(engine, 0, row, version, "clean");
    assert.equal(engine.stats().clean, 1);
    assert.equal(engine.setExpiry(1, 0, NONE, 0, 0), true);
    assert.deepEqual([now(1), engine.stats().clean], [0, 0]);
    verify(engine);
    engine.close();
  });

  it("a value of which less comes back than was put is damaged", () => {
    const engine = filled(0);
    const stored = {
      ...emptyRecord(),
      bytes: new Uint8Array(20),
      storedLength: 20,
      length: PAGE,
      codec: engine.addCodec({ ...strong(), decompress: () => 20 }),
    };
    assert.throws(() => engine.decodeStored(stored, new Uint8Array(PAGE)), { code: "EBADMSG" });
    engine.close();
  });

  /** A codec whose values take a tenth. */
  function strong() {
    return {
      name: "strong",
      id: 210,
      maxCompressedLength: (length: number) => length,
      compress: (_source: Uint8Array, target: Uint8Array) => target.fill(1, 0, 40).length && 40,
      decompress: () => PAGE,
    };
  }
});
