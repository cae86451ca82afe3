import { assert } from "../../base/index.ts";
import {
  FREE,
  type IndexWords,
  LIVE,
  R_BYTES,
  R_NEWER,
  R_NEXT,
  R_OLDER,
  R_START,
  R_STATE,
  ROW_WORDS,
  W_FREE_ROW,
  W_NEWEST,
  W_OLDEST,
  W_RECORDS,
  W_ROWS_USED,
  W_UNDER_WAY,
  W_UNITS_USED,
  WRITING,
} from "./index-words.ts";
import { anyBit, fillBits } from "./unit-bitmap.ts";

/** Checks the invariants of IndexTable. The caller holds the lock. */
export function verifyFileIndex(words: IndexWords): void {
  const { header, rows, buckets, used, geometry } = words;
  const rowsUsed = header[W_ROWS_USED];
  const word = (row: number, which: number): number => rows[row * ROW_WORDS + which];
  assert(rowsUsed <= geometry.maxRows, "no more rows than there are");

  const free = new Set<number>();
  for (let row = header[W_FREE_ROW]; row !== 0; row = word(row, R_NEXT)) {
    assert(row <= rowsUsed && !free.has(row), "the free list is whole");
    assert(word(row, R_STATE) === FREE, "a row on the free list is free");
    free.add(row);
  }
  const chained = new Set<number>();
  for (const first of buckets.subarray(0, rowsUsed + 1)) {
    for (let row = first; row !== 0; row = word(row, R_NEXT)) {
      assert(row <= rowsUsed && !chained.has(row), "the chains are whole");
      chained.add(row);
    }
  }
  const listed = new Set<number>();
  let older = 0;
  for (let row = header[W_OLDEST]; row !== 0; row = word(row, R_NEWER)) {
    assert(row <= rowsUsed && !listed.has(row), "the list of records is whole");
    assert(word(row, R_OLDER) === older, "the list of records goes both ways");
    listed.add(row);
    older = row;
  }
  assert(header[W_NEWEST] === older, "the list of records ends with the newest");

  const bits = new Int32Array(used.length);
  let units = 0;
  let underWay = 0;
  for (let row = 1; row <= rowsUsed; row++) {
    const state = word(row, R_STATE);
    assert(free.has(row) === (state === FREE), "a free row is on the free list");
    assert(chained.has(row) === (state === LIVE || state === WRITING), "what has a key is in a chain");
    assert(listed.has(row) === (state === LIVE), "a record is on the list of records");
    if (state === FREE) continue;
    if (state !== LIVE) underWay++;
    const count = Math.ceil(word(row, R_BYTES) / geometry.unitBytes);
    const start = word(row, R_START);
    assert(start >= 0 && start + count <= geometry.unitCount, "a record lies in the file");
    assert(!anyBit(bits, start, count), "no two records share a unit");
    fillBits(bits, start, count, true);
    units += count;
  }
  for (let at = 0; at < bits.length; at++) assert(bits[at] === used[at], "units in use are those of records");
  assert(header[W_RECORDS] === listed.size, "the count of records");
  assert(header[W_UNITS_USED] === units, "the count of units");
  assert(header[W_UNDER_WAY] === underWay, "the count of writes under way");
}
