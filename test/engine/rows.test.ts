/** Rows at the end of a table that few entries are in: they go, and what was in them is found. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { verify } from "../../src/diagnostics/index.ts";
import { logDriver } from "../../src/drivers/log/index.ts";
import { slotsDriver } from "../../src/drivers/slots/index.ts";
import { zsmallocDriver } from "../../src/drivers/zsmalloc/index.ts";
import {
  BlockPacker,
  BlockReader,
  distrust,
  Engine,
  entryAttributes,
  keyOfRow,
  trustOf,
  versionsOf,
} from "../../src/engine/index.ts";
import { RowPacker } from "../../src/engine/shrinking.ts";
import { F_POOL_TOUCHED, KIND_ENTRY, STATE, W_HIGH_WATER, W_ROWLESS } from "../../src/engine/table.ts";
import { canGiveRoom } from "../../src/memory/index.ts";
import type { PoolDriver } from "../../src/pool/index.ts";

const NONE = new Uint8Array(0);
const MAX_BYTES = 4 * 2 ** 20;
const LONG = 700;

function engineOf(maxBytes: number = MAX_BYTES, driver: PoolDriver = logDriver): Engine {
  return new Engine({ maxBytes, averageBytes: 60, driver, codec: "none" });
}

function bytesOf(id: number, length: number): Uint8Array {
  const value = new Uint8Array(length).map((_, i) => (i * i + id) >> (i & 3));
  value[0] = id;
  value[1] = id >> 8;
  return value;
}

function put(engine: Engine, kind: number, id: number, length: number): void {
  engine.put(id, kind, bytesOf(id, length), length, entryAttributes(), 0);
}

function rowsOf(engine: Engine): number {
  return engine.parts().shards[0].words[W_HIGH_WATER];
}

describe("rows that few entries are in", () => {
  it("are none for the rest of an entry that is cut once, which a repair and a smaller limit leave whole", () => {
    const engine = engineOf();
    for (let id = 0; id < 1000; id++) put(engine, 0, id, 3000);
    const [shard] = engine.parts().shards;
    const { size } = engine;
    assert.equal(rowsOf(engine), 1 + size);
    assert.ok(shard.words[W_ROWLESS] > size / 8, `${shard.words[W_ROWLESS]} of ${size} are cut`);
    const check = (): void => {
      verify(engine);
      for (let id = 0; id < 1000; id++) {
        if (!engine.contains(id, 0, NONE, 0, 0)) continue;
        const { row, version } = engine.found;
        assert.ok(engine.readRow(0, row, version));
        const { bytes, storedLength } = engine.found;
        assert.deepEqual(bytes.subarray(0, storedLength), bytesOf(id, 3000));
      }
    };
    check();
    shard.locked(() => shard.repair());
    check();
    for (let id = 0; id < 1000; id++) if (id % 4 === 0) engine.remove(id, 0, NONE, 0);
    engine.resize(MAX_BYTES / 2, 0);
    check();
    engine.clear();
    assert.equal(shard.words[W_ROWLESS], 0);
    verify(engine);
    engine.close();
  });

  it("go when the limit is lowered, and no entry with them", () => {
    const engine = engineOf();
    for (let id = 0; id < 20_000; id++) put(engine, 0, id, 60);
    for (let id = 0; id < 20_000; id++) if (id % 8 !== 5) engine.remove(id, 0, NONE, 0);
    const { size } = engine;
    assert.ok(size >= 2000 && rowsOf(engine) > 19_000, `${size} entries, ${rowsOf(engine)} rows`);
    engine.resize(MAX_BYTES / 2, 0);
    assert.equal(engine.size, size);
    assert.ok(rowsOf(engine) <= (size + 1) * (1 + 1 / 16) + 1, `${rowsOf(engine)} rows for ${size} entries`);
    verify(engine);
    engine.close();
  });

  it("leave entries that are trusted as long as if they had stayed where they were", () => {
    const engine = engineOf();
    const { words } = engine.parts().shards[0];
    const trusted = (kind: number): number => {
      let count = 0;
      for (let id = 0; id < 20_000; id++)
        if (engine.contains(id, kind, NONE, 0, 0) && trustOf(words, engine.found.version) === "known")
          count++;
      return count;
    };
    for (let id = 0; id < 20_000; id++) put(engine, 0, id, 60);
    const first = versionsOf(engine);
    for (let id = 0; id < 500; id++) put(engine, 1, id, 60);
    const second = versionsOf(engine);
    for (let id = 0; id < 500; id++) put(engine, 2, id, 60);
    for (let id = 0; id < 20_000; id++) if (id % 8 !== 5) engine.remove(id, 0, NONE, 0);
    const high = rowsOf(engine);
    engine.resize(MAX_BYTES / 2, 0);
    assert.ok(rowsOf(engine) < high / 2, "they were moved");
    assert.deepEqual([0, 1, 2].map(trusted), [2500, 500, 500]);
    distrust(engine, first);
    assert.deepEqual([0, 1, 2].map(trusted), [0, 500, 500]);
    distrust(engine, second);
    assert.deepEqual([0, 1, 2].map(trusted), [0, 0, 500]);
    engine.close();
  });

  it("are not looked at any more by who saw them before", () => {
    const engine = engineOf();
    for (let id = 0; id < 1000; id++) put(engine, 0, id, 60);
    const [{ words, rows }] = engine.parts().shards;
    const seen = { shard: 0, row: 999, bytes: 60 };
    assert.equal(keyOfRow(engine.inside(), seen)?.bytes, 60);
    for (let id = 100; id < 1000; id++) engine.remove(id, 0, NONE, 0);
    engine.resize(MAX_BYTES / 2, 0);
    assert.ok(words[W_HIGH_WATER] < 200);
    // Whatever is there.
    words[rows.at(999) + STATE] = KIND_ENTRY;
    assert.equal(keyOfRow(engine.inside(), seen), null);
    engine.close();
  });

  it("stay where somebody may read a long value block by block", {
    skip: canGiveRoom() ? false : "memory cannot be given back here",
  }, () => {
    const engine = engineOf(4 * MAX_BYTES);
    const value = new Uint8Array(2 ** 20 + 1000).map((_, i) => (i * i) >> (i & 3));
    const packed = new BlockPacker(engine);
    packed.addAll(value, value.length, engine.maxEntrySize);
    for (let id = 0; id < 10_000; id++) put(engine, 0, id, 60);
    assert.equal(engine.putPacked(1, 1, packed, entryAttributes(), 0), "stored");
    for (let id = 0; id < 10_000; id++) put(engine, 2, id, 60);
    for (let id = 0; id < 10_000; id++)
      for (const kind of [0, 2]) if (id % 8 !== 5) engine.remove(id, kind, NONE, 0);
    const rows = rowsOf(engine);
    assert.ok(engine.contains(1, 1, NONE, 0, 0));
    const reader = new BlockReader(engine, engine.found);
    const first = new Uint8Array(reader.nextLength);
    reader.read(first);
    const packer = new RowPacker(engine.parts().shards);
    for (let steps = 0; packer.step(() => false) > 0; steps++) assert.ok(steps < 1000, "it ends");
    assert.ok(rowsOf(engine) < 0.6 * rows, `${rows} rows, then ${rowsOf(engine)}`);
    const rest = new Uint8Array(reader.nextLength);
    reader.read(rest);
    assert.ok(Buffer.concat([first, rest]).equals(value));
    verify(engine);
    engine.close();
  });

  for (const driver of [logDriver, slotsDriver, zsmallocDriver]) {
    it(`take next to no long value with them where all is full, by ${driver.type}`, {
      skip: canGiveRoom() ? false : "memory cannot be given back here",
    }, () => {
      const engine = engineOf(MAX_BYTES, driver);
      for (let id = 0; id < 60_000; id++) put(engine, 0, id, 60);
      for (let id = 0; id < 200; id++) put(engine, 1, id, 60_000);
      const { size } = engine;
      const rows = rowsOf(engine);
      const packer = new RowPacker(engine.parts().shards);
      for (let steps = 0; packer.step(() => false) > 0; steps++) assert.ok(steps < 1000, "it ends");
      assert.ok(rowsOf(engine) < rows / 10, `${rows} rows, then ${rowsOf(engine)}`);
      assert.ok(engine.size >= size - 2, `${size} values, then ${engine.size}`);
      verify(engine);
      engine.close();
    });
  }

  it("leave their room to longer values, which came in place of short ones", {
    skip: canGiveRoom() ? false : "memory cannot be given back here",
  }, () => {
    const engine = engineOf();
    const fresh = engineOf();
    for (let id = 0; id < 60_000; id++) put(engine, 0, id, 60);
    for (let id = 0; id < 10_000; id++) put(engine, 1, id, LONG);
    const held = engine.size;
    const packer = new RowPacker(engine.parts().shards);
    const [{ floats }] = engine.parts().shards;
    const touched = floats[F_POOL_TOUCHED];
    // Half of the steps end before they moved anything.
    for (let steps = 0; ; steps++) {
      let looks = 0;
      if (packer.step(() => looks++ >= (steps & 1)) === 0) break;
      verify(engine);
      assert.ok(steps < 1000, "it ends");
    }
    assert.ok(floats[F_POOL_TOUCHED] <= touched, "no page was taken for it");
    assert.ok(engine.size > 0.9 * held, `${held} entries, then ${engine.size}`);
    for (let id = 0; id < 10_000; id++) put(engine, 2, id, LONG);
    for (let id = 0; id < 10_000; id++) put(fresh, 2, id, LONG);
    assert.ok(engine.size > 0.97 * fresh.size, `${engine.size} entries, in a fresh engine ${fresh.size}`);
    assert.ok(engine.size > 1.5 * held, `${held} entries, then ${engine.size}`);
    verify(engine);
    engine.close();
    fresh.close();
  });
});
