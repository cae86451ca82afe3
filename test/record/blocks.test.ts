/** The table of a value of several blocks: what is right, and that nothing else is believed. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getCodec } from "../../src/codecs/index.ts";
import {
  BLOCK_BYTES,
  BlockKind,
  checkTable,
  decodeBlocks,
  decodeValue,
  emptyRecord,
  setBlock,
  tableBytes,
} from "../../src/record/index.ts";
import { isCode } from "../support/is-code.ts";

const lz4 = getCodec("lz4");
const LENGTH = 3 * BLOCK_BYTES + 1000;

/** A packed block, one that is filled, one that is kept as it is, and a short one; with 5 bytes before. */
function sample(): { value: Uint8Array; stored: Uint8Array; at: number; storedLength: number } {
  const value = new Uint8Array(LENGTH);
  for (let i = 0; i < BLOCK_BYTES; i++) value[i] = i >>> 8;
  for (let i = BLOCK_BYTES; i < 2 * BLOCK_BYTES; i++) value[i] = 1 + (i & 7);
  for (let i = 2 * BLOCK_BYTES; i < LENGTH; i++) value[i] = Math.imul(i, 0x9e3779b1) >>> 13;
  const packed = new Uint8Array(BLOCK_BYTES);
  const bytes = lz4.compress(value.subarray(0, BLOCK_BYTES), packed);
  const table = new Uint8Array(tableBytes(LENGTH));
  setBlock(table, 0, BlockKind.packed, bytes);
  setBlock(table, 1, BlockKind.filled, 8);
  setBlock(table, 2, BlockKind.raw, BLOCK_BYTES);
  setBlock(table, 3, BlockKind.raw, 1000);
  const stored = Buffer.concat([
    Buffer.from("name,"),
    table,
    packed.subarray(0, bytes),
    value.subarray(BLOCK_BYTES, BLOCK_BYTES + 8),
    value.subarray(2 * BLOCK_BYTES),
  ]);
  return { value, stored: new Uint8Array(stored), at: 5, storedLength: stored.length - 5 };
}

describe("a value of several blocks", () => {
  it("is decompressed block by block, and nothing behind it is touched", () => {
    const { value, stored, at, storedLength } = sample();
    const target = new Uint8Array(LENGTH + 3).fill(0xee);
    decodeBlocks(stored, at, storedLength, lz4, target, LENGTH);
    assert.ok(Buffer.compare(target.subarray(0, LENGTH), value) === 0);
    assert.deepEqual([...target.subarray(LENGTH)], [0xee, 0xee, 0xee]);
  });

  it("comes out of a record as well", () => {
    const { value, stored, storedLength } = sample();
    const record = {
      ...emptyRecord(),
      bytes: stored,
      prefixLength: 5,
      storedLength,
      length: LENGTH,
      codec: 2,
    };
    const target = new Uint8Array(LENGTH);
    decodeValue(record, lz4, target);
    assert.ok(Buffer.compare(target, value) === 0);
  });

  /** A block of the table, and what it says instead; or how many bytes there are more. */
  const wrong: [string, [block: number, kind: number, bytes: number] | number][] = [
    ["a length too short", -1],
    ["a length too long", 1],
    ["a block of no bytes", [0, BlockKind.packed, 0]],
    ["a packed block that is not shorter", [2, BlockKind.packed, BLOCK_BYTES]],
    ["raw bytes of another length", [3, BlockKind.raw, 999]],
    ["a word of 9 bytes", [1, BlockKind.filled, 9]],
    ["a kind that is none", [1, 3, 8]],
    ["more bytes than there can be", [0, BlockKind.packed, 2 ** 30 - 1]],
  ];
  for (const [what, spoilt] of wrong) {
    it(`is refused with ${what}`, () => {
      const { stored, at, storedLength } = sample();
      if (typeof spoilt !== "number") setBlock(stored.subarray(at), ...spoilt);
      const said = storedLength + (typeof spoilt === "number" ? spoilt : 0);
      assert.throws(() => checkTable(stored, at, LENGTH, said), isCode("EBADMSG", "several blocks"));
      const target = new Uint8Array(LENGTH);
      assert.throws(() => decodeBlocks(stored, at, said, lz4, target, LENGTH), isCode("EBADMSG"));
    });
  }

  it("is refused with less than a table", () => {
    const { stored, at } = sample();
    assert.throws(() => checkTable(stored, at, LENGTH, 15), isCode("EBADMSG"));
    assert.throws(() => checkTable(stored.subarray(0, 20), at, LENGTH, 16), isCode("EBADMSG"));
  });

  it("is refused if its codec did not make a block", () => {
    const { stored, at, storedLength } = sample();
    stored.fill(0xff, at + 16, at + 100);
    const target = new Uint8Array(LENGTH);
    assert.throws(() => decodeBlocks(stored, at, storedLength, lz4, target, LENGTH), isCode("EBADMSG"));
  });
});
