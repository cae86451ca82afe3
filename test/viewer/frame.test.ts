import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Prng } from "../../src/base/index.ts";
import { createZpool, type Handle, zpoolTypes } from "../../src/index.ts";
import { decodeFrame, encodeFrame, figuresOf, type ViewedSnapshot } from "../../src/viewer/index.ts";

function rowsOf(bytes: Uint8Array): Omit<ViewedSnapshot, "free"> {
  const frame = decodeFrame(bytes.slice().buffer);
  const { type, pageSize, maxPages } = frame;
  const pages = Array.from(frame.pages, (page, i) => ({
    page,
    bytes: frame.bytes[i],
    underReclaim: frame.underReclaim[i] === 1,
    objects: Array.from(frame.handles.subarray(frame.starts[i], frame.starts[i + 1]), (handle, j) => ({
      handle,
      offset: frame.offsets[frame.starts[i] + j],
      size: frame.sizes[frame.starts[i] + j],
    })),
  }));
  const lists = frame.lists.map((name, i) => ({
    name,
    pages: [...frame.listPages.subarray(frame.listStarts[i], frame.listStarts[i + 1])],
  }));
  return { type, pageSize, maxPages, pages, lists, lru: [...frame.lru] };
}

suite("a packed snapshot", () => {
  for (const type of zpoolTypes()) {
    test(`${type}: comes out as it went in`, () => {
      const pool = createZpool(type, { maxPages: 200 });
      const prng = new Prng(1);
      const live: Handle[] = [];
      for (let i = 0; i < 300; i++) {
        const handle = pool.malloc(1 + prng.below(3000));
        if (typeof handle === "number") live.push(handle);
      }
      for (const handle of live.filter((_, i) => i % 3 === 0)) pool.free(handle);
      const snapshot = pool.snapshot();
      const plain = {
        type: snapshot.type,
        pageSize: snapshot.pageSize,
        maxPages: snapshot.maxPages,
        pages: snapshot.pages.map(({ page, bytes, underReclaim, objects }) => ({
          page,
          bytes,
          underReclaim,
          objects,
        })),
        lists: snapshot.lists,
        lru: snapshot.lru,
      };
      assert.deepEqual(rowsOf(encodeFrame(snapshot)), plain);
      pool.close();
    });
  }

  test("an empty pool is one too", () => {
    const empty = { type: "none", pageSize: 4096, maxPages: 1, pages: [], lists: [], lru: [] };
    assert.deepEqual(rowsOf(encodeFrame(empty)), empty);
  });

  test("damaged ones are typed errors", () => {
    const page = { page: 3, bytes: 4096, underReclaim: false, objects: [{ handle: 1, offset: 0, size: 9 }] };
    const lists = [{ name: "a", pages: [3] }];
    const good = encodeFrame({ type: "x", pageSize: 4096, maxPages: 9, pages: [page], lists, lru: [3] });
    for (let length = 0; length < good.length; length++) {
      assert.throws(() => decodeFrame(good.slice(0, length).buffer), { code: "EBADMSG" }, `${length} bytes`);
    }
    const prng = new Prng(7);
    for (let i = 0; i < 2000; i++) {
      const bad = good.slice();
      bad[prng.below(bad.length)] ^= 1 << prng.below(8);
      try {
        decodeFrame(bad.buffer);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "EBADMSG");
      }
    }
  });
});

suite("figures", () => {
  test("numbers, lists of numbers, and objects of these; nothing else", () => {
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
    };
    assert.deepEqual(figuresOf(stats), {
      counters: { pages: 3, "refused.ENOMEM": 2, "refused.deep.er": 1 },
      histograms: { sizes: [1, 2], typed: [1.5] },
    });
  });
});
