import { crc32, nextTurn } from "../../base/index.ts";
import { RECORD_BYTES_MAX, RECORD_HEADER_BYTES } from "../../record/index.ts";
import type { IndexTable } from "./index-table.ts";
import {
  ENTRY_BYTES,
  F_CLEARED,
  HEADER_BYTES,
  type IndexGeometry,
  type IndexWords,
  LIVE,
  R_BYTES,
  R_K0,
  R_K1,
  R_PREFIX,
  R_SEQUENCE,
  R_START,
  R_STATE,
  ROW_WORDS,
  W_NO_RUN_OF,
  W_PINS,
  W_ROWS_USED,
} from "./index-words.ts";
import { type RecordIo, readAll, writeAll } from "./io.ts";
import { fillBits } from "./unit-bitmap.ts";

/** Entries that are read from the index in memory under one hold of the lock: some 50 µs. */
const ENTRIES_AT_A_TIME = 1024;
/** Words of pins that are cleared at once: some 50 µs. */
const PINS_AT_A_TIME = 2 ** 17;
const UINT32 = 0x1_0000_0000;

/** Where an index area begins. */
function areaOffset(geometry: IndexGeometry, area: 0 | 1): number {
  return 2 * HEADER_BYTES + area * geometry.indexBytes;
}

/** What of an index was written, for the header. */
export interface WrittenIndex {
  readonly entries: number;
  readonly entriesCrc: number;
}

/** Something to be done with the lock held. */
export type Locked = <Result>(act: () => Result) => Result;

/**
 * Writes the records that are LIVE into an index area which no valid header names. An entry, 32 bytes:
 * k0, k1, CRC-32 of the prefix (int32 each), first unit, bytes (uint32 each), sequence low and high (uint32
 * each), 0.
 *
 * The lock is taken for a part of the rows at a time, so writes and deletes go on meanwhile: each key is in
 * the index with what it had at one moment of this call. Units of entries are pinned as they are written, so
 * that nobody writes over them before a newer index is there.
 */
export async function writeIndex(
  io: RecordIo,
  file: number,
  words: IndexWords,
  area: 0 | 1,
  locked: Locked,
): Promise<WrittenIndex> {
  const { header, rows, numbers, geometry } = words;
  const block = new Uint8Array(ENTRIES_AT_A_TIME * ENTRY_BYTES);
  const view = new DataView(block.buffer);
  const position = areaOffset(geometry, area);
  let entries = 0;
  let entriesCrc = 0;
  for (let row = 1; row <= header[W_ROWS_USED]; ) {
    const from = row;
    const filled = locked(() => {
      const to = Math.min(from + ENTRIES_AT_A_TIME, header[W_ROWS_USED] + 1);
      let count = 0;
      for (row = from; row < to; row++) {
        const at = row * ROW_WORDS;
        if (rows[at + R_STATE] !== LIVE) continue;
        const sequence = (rows[at + R_SEQUENCE] >>> 0) + (rows[at + R_SEQUENCE + 1] >>> 0) * UINT32;
        if (sequence <= numbers[F_CLEARED]) continue;
        encodeEntry(view, ENTRY_BYTES * count++, rows, at);
        if (header[W_PINS] === 1) {
          const units = Math.ceil(rows[at + R_BYTES] / geometry.unitBytes);
          fillBits(words.pins[area], rows[at + R_START], units, true);
        }
      }
      return count;
    });
    const bytes = block.subarray(0, filled * ENTRY_BYTES);
    entriesCrc = crc32(bytes, entriesCrc);
    await writeAll(io, file, bytes, position + entries * ENTRY_BYTES);
    entries += filled;
  }
  return { entries, entriesCrc };
}

function encodeEntry(into: DataView, to: number, rows: Int32Array, at: number): void {
  into.setInt32(to, rows[at + R_K0], true);
  into.setInt32(to + 4, rows[at + R_K1], true);
  into.setInt32(to + 8, rows[at + R_PREFIX], true);
  into.setInt32(to + 12, rows[at + R_START], true);
  into.setInt32(to + 16, rows[at + R_BYTES], true);
  into.setInt32(to + 20, rows[at + R_SEQUENCE], true);
  into.setInt32(to + 24, rows[at + R_SEQUENCE + 1], true);
  into.setInt32(to + 28, 0, true);
}

/**
 * Reads an index area into an empty table. False: the index is damaged, and the table is to be thrown away.
 *
 * @throws the system's error if the file cannot be read.
 */
export async function readIndex(
  io: RecordIo,
  file: number,
  table: IndexTable,
  geometry: IndexGeometry,
  area: 0 | 1,
  written: WrittenIndex & { sequence: number },
  locked: Locked,
): Promise<boolean> {
  const block = new Uint8Array(ENTRIES_AT_A_TIME * ENTRY_BYTES);
  const view = new DataView(block.buffer);
  let crc = 0;
  for (let done = 0; done < written.entries; ) {
    const count = Math.min(ENTRIES_AT_A_TIME, written.entries - done);
    const bytes = block.subarray(0, count * ENTRY_BYTES);
    const position = areaOffset(geometry, area) + done * ENTRY_BYTES;
    if ((await readAll(io, file, bytes, position)) < bytes.length) return false;
    crc = crc32(bytes, crc);
    if (!locked(() => restoreEntries(view, bytes.length, table, geometry, written.sequence))) return false;
    done += count;
  }
  return crc === written.entriesCrc;
}

function restoreEntries(
  view: DataView,
  bytes: number,
  table: IndexTable,
  geometry: IndexGeometry,
  maxSequence: number,
): boolean {
  for (let at = 0; at < bytes; at += ENTRY_BYTES) {
    const sequence = view.getUint32(at + 20, true) + view.getUint32(at + 24, true) * UINT32;
    const place = { start: view.getUint32(at + 12, true), bytes: view.getUint32(at + 16, true), sequence };
    const key = {
      k0: view.getInt32(at, true),
      k1: view.getInt32(at + 4, true),
      prefix: view.getInt32(at + 8, true),
    };
    const isLength = place.bytes >= RECORD_HEADER_BYTES && place.bytes <= RECORD_BYTES_MAX;
    const isPossible = isLength && place.start < geometry.unitCount && sequence <= maxSequence;
    if (!isPossible || !table.restore(key, place)) return false;
  }
  return true;
}

/** Clears pins, a part under each hold of the lock, and a part in each turn of the event loop. */
export async function clearPins(words: IndexWords, area: 0 | 1, locked: Locked): Promise<void> {
  if (words.header[W_PINS] === 0) return;
  const pins = words.pins[area];
  for (let at = 0; at < pins.length; at += PINS_AT_A_TIME) {
    if (at > 0) await new Promise<void>(nextTurn);
    locked(() => {
      pins.fill(0, at, Math.min(pins.length, at + PINS_AT_A_TIME));
      words.header[W_NO_RUN_OF] = 0;
    });
  }
}
