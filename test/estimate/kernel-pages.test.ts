import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getCodec } from "../../src/codecs/index.ts";
import { KERNEL_PAGE, KernelZsmalloc, zbudBytesOf } from "../../src/estimate/kernel-pages.ts";
import { Lz4hc } from "../../src/estimate/lz4hc.ts";
import { noise, partlyNoisy } from "./noisy-data.ts";

/**
 * Measured with a real zram (Linux 6.18, groups of up to 8 pages): what its `mm_stat` said after 1024 pages of one
 * compressed size each were written to it.
 */
const MEASURED_OBJECTS = 1024;
/** A few classes have another layout there. */
const CLOSE = 1.015;
const MEASURED: [size: number, pages: number][] = [
  [34, 12],
  [261, 69],
  [486, 128],
  [711, 183],
  [935, 237],
  [1160, 294],
  [1385, 360],
  [1609, 410],
  [1834, 470],
  [2058, 552],
  [2282, 588],
  [2507, 640],
  [2731, 721],
  [2956, 752],
  [3180, 820],
  [3404, 882],
  [3624, 912],
  [3625, 1024],
];

function countsOf(size: number, count: number): Float64Array {
  const counts = new Float64Array(KERNEL_PAGE);
  counts[size] = count;
  return counts;
}

describe("the kernel's zsmalloc, as it is modelled", () => {
  const zsmalloc = new KernelZsmalloc(8);

  for (const [size, pages] of MEASURED) {
    it(`${MEASURED_OBJECTS} objects of ${size} bytes take what a real zram took`, () => {
      const counts = countsOf(size, MEASURED_OBJECTS);
      const full = zsmalloc.bytesOf(counts) / KERNEL_PAGE;
      const partial = zsmalloc.partialBytesOf(counts) / KERNEL_PAGE;
      assert.ok(full < pages * CLOSE, `${full} pages, not ${pages}`);
      assert.ok(full + partial > pages / CLOSE, `${full} to ${full + partial} pages, not ${pages}`);
    });
  }

  it("a page is huge from the size on at which a real zram said so, and if it does not get smaller", () => {
    assert.equal(zsmalloc.hugeAbove, 3624);
    assert.equal(zsmalloc.hugeOf(countsOf(3624, 7)), 0);
    assert.equal(zsmalloc.hugeOf(countsOf(3625, 7)), 7);
    assert.equal(zsmalloc.hugeOf(countsOf(0, 7)), 7);
    assert.equal(zsmalloc.bytesOf(countsOf(0, 7)), 7 * KERNEL_PAGE);
  });

  it("groups of 4 pages, as older kernels have, make more of them huge", () => {
    assert.equal(new KernelZsmalloc(4).hugeAbove, 3264 - 8);
  });
});

describe("zbud of older kernels", () => {
  it("keeps two in a page at best, and one where two do not fit", () => {
    assert.equal(zbudBytesOf(countsOf(1000, 100)), 50 * KERNEL_PAGE);
    assert.equal(zbudBytesOf(countsOf(3000, 100)), 100 * KERNEL_PAGE);
    assert.equal(zbudBytesOf(countsOf(0, 100)), 100 * KERNEL_PAGE);
  });
});

describe("lz4hc", () => {
  const hc = new Lz4hc();
  const lz4 = getCodec("lz4");
  const text = Buffer.from("a page of words that come again, and of words that do not, ".repeat(80));
  const DATA: [string, Buffer][] = [
    ["noise and zeros", partlyNoisy(1, 4096, 700, 1)],
    ["noise", noise(4096, 1)],
    ["text", text.subarray(0, 4096)],
    ["zeros", Buffer.alloc(4096)],
    ["a byte", Buffer.from("x")],
    ["twelve bytes", Buffer.from("aaaaaaaaaaaa")],
    ["thirteen bytes", Buffer.from("aaaaaaaaaaaaa")],
    ["words of three", Buffer.from("abc".repeat(1300))],
    [
      "runs of many lengths",
      Buffer.concat(
        Array.from({ length: 60 }, (_, i) => Buffer.concat([noise(i, i), Buffer.alloc(5 * i, i)])),
      ).subarray(0, 8192),
    ],
  ];
  for (const [name, bytes] of DATA) {
    it(`${name}: lz4 reads it back, and it is no larger than lz4's own`, () => {
      const [ours, theirs] = [new Uint8Array(9000), new Uint8Array(9000)];
      const size = hc.compress(bytes, ours);
      const back = new Uint8Array(bytes.length);
      assert.equal(lz4.decompress(ours.subarray(0, size), back), bytes.length);
      assert.deepEqual(Buffer.from(back), bytes);
      assert.ok(size <= lz4.compress(bytes, theirs), `${size}`);
      assert.equal(hc.compress(bytes, new Uint8Array(size - 1)), 0, "a byte less does not do");
    });
  }
});
