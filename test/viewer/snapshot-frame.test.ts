import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../src/base/index.ts";
import { snapshotColumns } from "../../src/diagnostics/index.ts";
import { createPool, driverTypes, type Handle } from "../../src/entry/index.ts";
import { ColumnsBuilder, snapshotOf } from "../../src/pool/index.ts";
import { decodeFrame, type Frame, flattenStats, frameChunks, frameObjects } from "../../src/viewer/index.ts";

function sent(frame: Frame): Frame {
  return decodeFrame(bytesOf(frame).buffer as ArrayBuffer);
}

function bytesOf(frame: Frame): Uint8Array {
  return new Uint8Array(Buffer.concat(frameChunks(frame)));
}

describe("a packed snapshot", () => {
  for (const type of driverTypes()) {
    it(`${type}: comes out as it went in`, () => {
      const pool = createPool(type, { maxPages: 200 });
      const prng = new Prng(1);
      const live: Handle[] = [];
      for (let i = 0; i < 300; i++) {
        const handle = pool.alloc(1 + prng.below(3000));
        if (typeof handle === "number") live.push(handle);
      }
      for (const handle of live.filter((_, i) => i % 3 === 0)) pool.free(handle);
      const { free, ...frame } = snapshotColumns(pool);
      assert.deepEqual(sent(frame), frame);
      assert.deepEqual(snapshotOf({ ...sent(frame), free }), snapshotOf(snapshotColumns(pool)));
      pool.close();
    });
  }

  it("an empty pool is one too", () => {
    const { free, ...empty } = new ColumnsBuilder(0, 0).done({ type: "none", pageSize: 4096, maxPages: 1 });
    assert.equal(free.length, 0);
    assert.deepEqual(sent(empty), empty);
  });

  it("objects of a page are told in the order in which they lie", () => {
    const into = new ColumnsBuilder(1, 0);
    into.page(0, 4096, false);
    for (const offset of [512, 0, 2048]) into.object(1 + offset, offset, 100);
    const frame = into.done({ type: "x", pageSize: 4096, maxPages: 9 });
    assert.deepEqual(frameObjects(frame, 0), [1, 0, 2]);
  });

  it("damaged ones are typed errors", () => {
    const into = new ColumnsBuilder(9, 9);
    into.page(3, 4096, false);
    into.object(1, 0, 9);
    into.listed(3);
    into.endList(() => "a");
    into.ordered(3);
    const good = bytesOf(into.done({ type: "x", pageSize: 4096, maxPages: 9 }));
    for (let length = 0; length < good.length; length++) {
      assert.throws(
        () => decodeFrame(good.slice(0, length).buffer as ArrayBuffer),
        { code: "EBADMSG" },
        `${length} bytes`,
      );
    }
    const prng = new Prng(7);
    for (let i = 0; i < 2000; i++) {
      const bad = good.slice();
      bad[prng.below(bad.length)] ^= 1 << prng.below(8);
      try {
        decodeFrame(bad.buffer as ArrayBuffer);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "EBADMSG");
      }
    }
  });
});

describe("figures", () => {
  it("numbers, lists of numbers, words, and objects of these; nothing else", () => {
    const stats = {
      pages: 3,
      name: "x",
      nan: Number.NaN,
      refused: { ENOMEM: 2, deep: { er: 1 } },
      sizes: [1, 2],
      typed: new Float64Array([1.5]),
      bytes: new DataView(new ArrayBuffer(8)),
      none: null,
      words: ["a"],
      long: "x".repeat(1000),
      isFull: true,
    };
    assert.deepEqual(flattenStats(stats), {
      counters: { pages: 3, "refused.ENOMEM": 2, "refused.deep.er": 1 },
      histograms: { sizes: [1, 2], typed: [1.5] },
      texts: { name: "x", "words.0": "a", long: "x".repeat(500), isFull: "yes" },
    });
  });
});
