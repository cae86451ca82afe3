import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SampleBatch } from "../../src/estimate/batch.ts";
import { DedupIndex } from "../../src/estimate/dedup-index.ts";
import { isSameFilled, UnitScan } from "../../src/estimate/scan.ts";
import { noise } from "./noisy-data.ts";

/** A scan that is through. */
function scanned(batch: SampleBatch, unit: number, seen = new DedupIndex()): UnitScan {
  const scan = new UnitScan(batch, unit, seen);
  while (scan.next());
  assert.equal(scan.sameFilled + scan.count, scan.units);
  return scan;
}

function partOf(...spans: Buffer[]): SampleBatch {
  const batch = new SampleBatch(spans.length, spans[0].length);
  spans.forEach((span, slot) => {
    span.copy(batch.bytes, slot * batch.spanBytes);
    batch.setSlot(slot, span.length, slot);
  });
  return batch;
}

describe("one word repeated", () => {
  const words = (fill: (i: number) => number): Int32Array =>
    Int32Array.from({ length: 1024 }, (_, i) => fill(i));

  it("zeros, a 32-bit word and a 64-bit word are", () => {
    assert.equal(
      isSameFilled(
        words(() => 0),
        0,
        1024,
      ),
      true,
    );
    assert.equal(
      isSameFilled(
        words(() => -559038737),
        0,
        1024,
      ),
      true,
    );
    assert.equal(
      isSameFilled(
        words((i) => (i % 2 === 0 ? 1 : 2)),
        0,
        1024,
      ),
      true,
    );
  });

  it("a period of three words is not, nor is one word that differs, wherever it is", () => {
    assert.equal(
      isSameFilled(
        words((i) => i % 3),
        0,
        1024,
      ),
      false,
    );
    for (let odd = 0; odd < 1024; odd++) {
      assert.equal(
        isSameFilled(
          words((i) => (i === odd ? 1 : 0)),
          0,
          1024,
        ),
        false,
        `word ${odd}`,
      );
    }
  });

  it("only the unit's own words count", () => {
    const array = words((i) => (i >= 256 && i < 512 ? 5 : i));
    assert.equal(isSameFilled(array, 256, 256), true);
    assert.equal(isSameFilled(array, 254, 256), false);
  });
});

describe("scan", () => {
  it("counts same-filled units, and duplicates among the others only", () => {
    const [a, b] = [noise(4096, 1), noise(4096, 2)];
    const zeros = Buffer.alloc(4096);
    const scan = scanned(partOf(a, zeros, b, a, zeros, a, zeros), 4096);
    assert.equal(scan.units, 7);
    assert.equal(scan.sameFilled, 3);
    assert.equal(scan.duplicates, 2);
    assert.deepEqual([...scan.offsets.subarray(0, scan.count)], [0, 2 * 4096, 3 * 4096, 5 * 4096]);
  });

  it("units that differ in one bit only are no duplicates", () => {
    const base = noise(4096, 3);
    const spans = [base];
    for (let i = 0; i < 500; i++) {
      const span = Buffer.from(base);
      span[(i * 8191) % 4096] ^= 1 << (i % 8);
      spans.push(span);
    }
    assert.equal(scanned(partOf(...spans), 4096).duplicates, 0);
  });

  it("units that are nearly all zeros do not hash alike", () => {
    // Pairs of changes in words that the same sum takes: they must not cancel each other.
    const spans: Buffer[] = [];
    for (let i = 1; i < 600; i++) {
      const span = Buffer.alloc(4096);
      span.writeUInt32LE(0x8000_0000, (i * 16) % 4080);
      span.writeUInt32LE(0x8000_0000, (i * 16 + 16 * ((i % 7) + 1)) % 4080);
      span.writeUInt32LE(i, 4092);
      spans.push(span);
    }
    const seen = new DedupIndex();
    assert.equal(scanned(partOf(...spans), 4096, seen).duplicates, 0);
    // In a second batch the hash alone decides: all of them are found again, and nothing else is.
    assert.equal(scanned(partOf(...spans), 4096, seen).duplicates, spans.length);
    const others = spans.map((span, i) => Buffer.from(span).fill(i & 0xff || 1, 2000, 2001));
    assert.equal(scanned(partOf(...others), 4096, seen).duplicates, 0);
  });

  it("finds duplicates of earlier batches, through any number of different units", () => {
    const seen = new DedupIndex();
    const spans = Array.from({ length: 5000 }, (_, i) => noise(1024, i + 1));
    assert.equal(scanned(partOf(...spans), 1024, seen).duplicates, 0);
    assert.equal(scanned(partOf(noise(1024, 99_999), ...spans), 1024, seen).duplicates, 5000);
  });

  it("pads the last unit of a short span, and counts only units that hold input", () => {
    const batch = new SampleBatch(2, 16384);
    batch.bytes.fill(0xff);
    noise(5000, 1).copy(batch.bytes, 0);
    batch.setSlot(0, 5000, 0);
    noise(16384, 2).copy(batch.bytes, 16384);
    batch.setSlot(1, 16384, 1);
    const scan = scanned(batch, 4096);
    assert.equal(scan.units, 2 + 4);
    assert.equal(scan.paddingBytes, 2 * 4096 - 5000);
    assert.deepEqual([...scan.offsets.subarray(0, scan.count)], [0, 4096, 16384, 20480, 24576, 28672]);
    assert.ok(batch.bytes.subarray(5000, 16384).every((byte) => byte === 0));
  });

  it("visits slots in the order of the input, however they were filled", () => {
    const batch = new SampleBatch(3, 4096);
    [2, 0, 1].forEach((position, slot) => {
      batch.setSlot(slot, 4096, position);
    });
    assert.deepEqual([...batch.unitOffsets(4096)], [4096, 8192, 0]);
  });
});
