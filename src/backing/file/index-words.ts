import { assert, canShare, PLACES, REGISTRY_WORDS, sharedBuffer, show, ZbudError } from "../../base/index.ts";

/**
 * Where things lie, in the file and in the index that all threads share.
 *
 *   byte   0       4096      8192                                                        fileBytes
 *          ┌────────┬─────────┬──────────────┬──────────────┬──────────────────────────────┐
 *     file │ header │ header  │ index area 0 │ index area 1 │ units: the records           │
 *          └────────┴─────────┴──────────────┴──────────────┴──────────────────────────────┘
 *                                                           dataOffset
 *
 * A record fills whole units in a row. The index in memory has one row a record.
 *
 * The index *grows*, or has a room of its own. If it grows, units and index share `roomBytes`: the index areas are as long
 * as they could ever have to be, which are holes in the file, and for each row that was ever used the last units of the
 * file are left alone (see {@link unitLimit}). So there are rows for whatever fits, and what has no room lacks bytes.
 */
export interface IndexGeometry {
  /** Bytes of the unit that records are rounded up to: a power of two. */
  readonly unitBytes: number;
  readonly unitCount: number;
  /** The most records. */
  readonly maxRows: number;
  /** Bytes of each index area. */
  readonly indexBytes: number;
  /** Where unit 0 begins. */
  readonly dataOffset: number;
  /** The file's length. */
  readonly fileBytes: number;
  /** What units and the index's entries may take together; Infinity: each has a room of its own. */
  readonly roomBytes: number;
}

/** Bytes of a header block. There are two, written in turn. */
export const HEADER_BYTES = 4096;
/** Bytes of one entry of the index in the file. */
export const ENTRY_BYTES = 32;
export const UNIT_BYTES_DEFAULT = 128;
export const UNIT_BYTES_MIN = 64;
export const UNIT_BYTES_MAX = 65_536;
const UNITS_MAX = 2 ** 31 - 64;
const ROWS_MAX = 2 ** 26;
/** An index that grows has so many rows at most, or one for so many bytes: addresses are reserved for all of them. */
const GROWN_ROWS_MAX = 2 ** 23;
const GROWN_ROW_BYTES = 1024;
/** An index that grows takes room in the file in steps of so many bytes, for both areas. */
const GROWTH_BYTES = 4096;

/**
 * How a file of at most `maxBytes` is divided.
 *
 * @param averageBytes - what a record is expected to take; the index is made for as many as would fit. Null: it grows.
 * @throws {ZbudError} `EINVAL` if that leaves no room for records.
 */
export function indexGeometry(
  maxBytes: number,
  unitBytes: number,
  averageBytes: number | null,
): IndexGeometry {
  if (averageBytes === null) return grownGeometry(maxBytes, unitBytes);
  const maxRows = Math.min(ROWS_MAX, Math.max(16, Math.floor(maxBytes / averageBytes)));
  const { dataOffset } = withUnits(unitBytes, 0, maxRows);
  return withUnits(unitBytes, unitsIn(maxBytes, dataOffset, unitBytes), maxRows);
}

function grownGeometry(maxBytes: number, unitBytes: number): IndexGeometry {
  const roomBytes = maxBytes - 2 * HEADER_BYTES;
  const unitCount = unitsIn(maxBytes, 2 * HEADER_BYTES + GROWTH_BYTES, unitBytes);
  const mostRows = Math.max(GROWN_ROWS_MAX, Math.floor(maxBytes / GROWN_ROW_BYTES));
  // As many as there are if each record takes one unit.
  const rows = Math.ceil(roomBytes / (unitBytes + 2 * ENTRY_BYTES));
  const maxRows = Math.max(16, Math.min(rows, mostRows, ROWS_MAX));
  return { ...withUnits(unitBytes, unitCount, maxRows), roomBytes };
}

function unitsIn(maxBytes: number, offset: number, unitBytes: number): number {
  const unitCount = Math.min(UNITS_MAX, Math.floor((maxBytes - offset) / unitBytes));
  if (unitCount >= 1) return unitCount;
  throw new ZbudError(
    "EINVAL",
    `a file of ${maxBytes} bytes has no room for records beside its index of ${offset} bytes; make maxBytes larger`,
  );
}

/** Units from this one on are left alone: what they take is the index's. */
export function unitLimit({ geometry, header }: Pick<IndexWords, "geometry" | "header">): number {
  const { roomBytes, unitBytes, unitCount } = geometry;
  if (roomBytes === Number.POSITIVE_INFINITY) return unitCount;
  const index = Math.ceil(((header[W_ROWS_USED] + 1) * 2 * ENTRY_BYTES) / GROWTH_BYTES) * GROWTH_BYTES;
  return Math.max(0, Math.min(unitCount, Math.floor((roomBytes - index) / unitBytes)));
}

/** The geometry that a header names, or null if there is none such. */
export function indexGeometryOf(unitBytes: number, unitCount: number, maxRows: number): IndexGeometry | null {
  const isUnit =
    unitBytes >= UNIT_BYTES_MIN && unitBytes <= UNIT_BYTES_MAX && (unitBytes & (unitBytes - 1)) === 0;
  if (!isUnit || unitCount < 1 || unitCount > UNITS_MAX || maxRows < 16 || maxRows > ROWS_MAX) return null;
  return withUnits(unitBytes, unitCount, maxRows);
}

function withUnits(unitBytes: number, unitCount: number, maxRows: number): IndexGeometry {
  const indexBytes = Math.ceil((maxRows * ENTRY_BYTES) / HEADER_BYTES) * HEADER_BYTES;
  const dataOffset = 2 * HEADER_BYTES + 2 * indexBytes;
  return {
    unitBytes,
    unitCount,
    maxRows,
    indexBytes,
    dataOffset,
    fileBytes: dataOffset + unitCount * unitBytes,
    roomBytes: Number.POSITIVE_INFINITY,
  };
}

/** Whether two geometries are the same. */
export function sameGeometry(one: IndexGeometry, other: IndexGeometry): boolean {
  const { unitBytes, unitCount, maxRows, dataOffset } = one;
  const sameUnits = unitBytes === other.unitBytes && unitCount === other.unitCount;
  return sameUnits && maxRows === other.maxRows && dataOffset === other.dataOffset;
}

/*
 * The index in memory: words of 32 bits in one buffer, shared where the platform has that.
 *
 *   0        96         96 + REGISTRY_WORDS
 *   ┌────────┬──────────┬───────┬─────────┬──────┬──────┬───────┬───────┐
 *   │ header │ registry │ users │ buckets │ rows │ used │ pins0 │ pins1 │
 *   └────────┴──────────┴───────┴─────────┴──────┴──────┴───────┴───────┘
 *
 * Words 32 to 95 of the header are 32 float64 values. `users` is for processes that share the index: by place of a
 * thread its member while it uses the file, see index-group.ts.
 */
export const W_MAGIC = 0;
export const W_VERSION = 1;
export const W_LOCK = 2;
export const W_ROWS_MAX = 3;
export const W_UNIT_COUNT = 4;
export const W_UNIT_BYTES = 5;
/** First of the rows that are free again, or 0. */
export const W_FREE_ROW = 6;
/** Rows ever used: those above are free and in no list. */
export const W_ROWS_USED = 7;
/** Where the search for units goes on. */
export const W_CURSOR = 8;
/** Units of rows that are not free. */
export const W_UNITS_USED = 9;
/** Rows that are LIVE. */
export const W_RECORDS = 10;
/** Ends of the list of LIVE rows, in the order in which they became so. */
export const W_OLDEST = 11;
export const W_NEWEST = 12;
/** Rows that are WRITING or DOOMED. */
export const W_UNDER_WAY = 13;
/** One of the states below. */
export const W_CLOSED = 14;
/** Member of the thread that flushes, or 0. */
export const W_FLUSHER = 15;
export const W_STORE_NUMBER = 16;
/** 1: records that are oldest are given up when there is no room. */
export const W_DROPS = 17;
/** 1: units that the index in the file names are not used again before the next flush. */
export const W_PINS = 18;
/** No run of this many units was found since units were last given back; 0: not known. */
export const W_NO_RUN_OF = 19;
/** Which index area, and which pins, the header in the file names: 0 or 1. */
export const W_AREA = 20;
/** What was drawn for the header that was last written into the file. */
export const W_HEADER_DRAW = 21;
/** What was drawn for the header of number {@link F_PENDING}. */
export const W_PENDING_DRAW = 22;
/** As in the file's header. */
export const W_GENERATION = 23;
/** Member of the thread that opens or closes the file for all processes, or 0. */
export const W_KEEPER = 24;
/** Two words that no other index has. */
export const W_GROUP = 25;
/** What the last record that was to be written found no room in, or others were given up for: one of these. */
export const W_FULL_OF = 27;
/** Whose records the file has, as in its header. */
export const W_USER = 28;

export const FULL_OF_NOTHING = 0;
export const FULL_OF_BYTES = 1;
export const FULL_OF_RECORDS = 2;

/** States of a store: in use; from close() of its owner on; after the last flush; or that failed. */
export const OPEN = 0;
export const CLOSING = 1;
export const CLOSED = 2;
export const CLOSE_FAILED = 3;
/** Of an index that processes share: it does not hold what the file's index has, or not all of it yet. */
export const UNREAD = 4;

/** The number of the last write: grows with each. */
export const F_SEQUENCE = 16;
/** Records of a sequence up to this one were dropped by clear(). */
export const F_CLEARED = 17;
/** The number of the header that was last written into the file. */
export const F_HEADER = 18;
/** Bytes that the budget still allows, and when that was found out, in ms. */
export const F_BUDGET = 19;
export const F_BUDGET_AT = 20;
export const F_RECORDS_WRITTEN = 21;
export const F_BYTES_WRITTEN = 22;
export const F_RECORDS_READ = 23;
export const F_BYTES_READ = 24;
export const F_DELETED = 25;
export const F_DROPPED = 26;
export const F_REFUSED = 27;
export const F_WRITES_FAILED = 28;
export const F_READS_FAILED = 29;
export const F_DAMAGED = 30;
/** The number of a header that is being written, or 0: whoever comes after a thread that died looks whether it was. */
export const F_PENDING = 31;
/** Which file it is. */
export const F_DEVICE = 32;
export const F_INODE = 33;

const HEADER_WORDS = 96;
/** Words of a row. */
export const ROW_WORDS = 12;
/** The next row of the bucket's chain, or of the free list; 0: none. */
export const R_NEXT = 0;
export const R_K0 = 1;
export const R_K1 = 2;
/** CRC-32 of the key's prefix. */
export const R_PREFIX = 3;
/** The first unit. */
export const R_START = 4;
/** Bytes of the record, header included. */
export const R_BYTES = 5;
/** Written last when a row comes into use, first when it is given back. */
export const R_STATE = 6;
/** Member of the thread that writes the record. */
export const R_WRITER = 7;
/** The record's sequence: 2^32 · high + low. */
export const R_SEQUENCE = 8;
/** Neighbours in the list of LIVE rows; 0: none. */
export const R_OLDER = 10;
export const R_NEWER = 11;

export const FREE = 0;
/** Its units are being written; no read finds it. */
export const WRITING = 1;
export const LIVE = 2;
/** Its key was written or deleted since: its units are free when the write has ended. In no chain. */
export const DOOMED = 3;

const MAGIC = 0x5a_62_53_69;
const VERSION = 2;
/** Version of all that lies in an index. */
export const INDEX_LAYOUT: string = `index ${VERSION}`;

/** The parts of the index, as views of its buffer. */
export interface IndexWords {
  readonly geometry: IndexGeometry;
  readonly buffer: SharedArrayBuffer | ArrayBuffer;
  readonly header: Int32Array;
  /** The same buffer as float64 values; the F_ constants are its indices. */
  readonly numbers: Float64Array;
  readonly registryAt: number;
  /** By place of a thread. */
  readonly users: Int32Array;
  /** As many are in use as rows, and the first one. */
  readonly buckets: Int32Array;
  /** Row 0 is nobody's. */
  readonly rows: Int32Array;
  /** One bit a unit: taken by a row that is not free. */
  readonly used: Int32Array;
  /** One bit a unit: named by the index in area 0, 1 of the file. */
  readonly pins: readonly [Int32Array, Int32Array];
}

/** Bytes of the index in memory that are reserved for it. */
export function indexMemoryBytes(geometry: IndexGeometry): number {
  return 4 * wordsOf(geometry).total;
}

/** Bytes of the index in memory that are in use: those of its fixed parts, and of the rows that were ever used. */
export function indexBytesUsed({ geometry, header }: IndexWords): number {
  const { bits, fixed } = wordsOf(geometry);
  return 4 * (fixed + (header[W_PINS] === 1 ? 3 : 1) * bits + (ROW_WORDS + 1) * (header[W_ROWS_USED] + 1));
}

function wordsOf({
  maxRows,
  unitCount,
}: IndexGeometry): Record<"fixed" | "buckets" | "rows" | "bits" | "total", number> {
  const fixed = HEADER_WORDS + REGISTRY_WORDS + PLACES;
  const buckets = maxRows + 1;
  const rows = (maxRows + 1) * ROW_WORDS;
  const bits = Math.ceil(unitCount / 32);
  const total = fixed + buckets + rows + 3 * bits;
  return { fixed, buckets, rows, bits, total: total + (total % 2) };
}

/** Ranges of bytes that are touched without a look at {@link Reach}: all but the rows, and buckets but the first. */
export function fixedRanges(geometry: IndexGeometry): (readonly [number, number])[] {
  const { fixed, buckets, rows, total } = wordsOf(geometry);
  return [
    [0, 4 * (fixed + 1)],
    [4 * (fixed + buckets + rows), 4 * total],
  ];
}

/**
 * The index of an empty store. Untouched parts of it cost nothing.
 *
 * @param buffer - for it; zeros.
 */
export function createIndexWords(
  geometry: IndexGeometry,
  buffer: SharedArrayBuffer | ArrayBuffer = newBuffer(indexMemoryBytes(geometry)),
): IndexWords {
  const words = viewsOf(buffer, geometry);
  const { header } = words;
  header[W_MAGIC] = MAGIC;
  header[W_VERSION] = VERSION;
  header[W_ROWS_MAX] = geometry.maxRows;
  header[W_UNIT_COUNT] = geometry.unitCount;
  header[W_UNIT_BYTES] = geometry.unitBytes;
  return words;
}

function newBuffer(bytes: number): SharedArrayBuffer | ArrayBuffer {
  return canShare() ? sharedBuffer(bytes) : new ArrayBuffer(bytes);
}

/** What {@link emptyIndexWords} leaves: what says which index it is, and who has it. */
const KEPT: readonly number[] = [
  W_MAGIC,
  W_VERSION,
  W_LOCK,
  W_ROWS_MAX,
  W_UNIT_COUNT,
  W_UNIT_BYTES,
  W_CLOSED,
  W_FLUSHER,
  W_KEEPER,
  W_GROUP,
  W_GROUP + 1,
];

/** Makes an index that was in use empty. Threads may hold places in it, and may take its lock. */
export function emptyIndexWords({ header, numbers, buckets, used, pins }: IndexWords): void {
  // First, so that a repair meanwhile finds no rows.
  header[W_ROWS_USED] = 0;
  for (let word = 0; word < F_SEQUENCE * 2; word++) if (!KEPT.includes(word)) header[word] = 0;
  numbers.fill(0, F_SEQUENCE);
  // The other buckets are written when they come into use.
  buckets[0] = 0;
  for (const part of [used, ...pins]) part.fill(0);
}

/**
 * Opens the index that another thread made.
 *
 * @throws {ZbudError} `EBADMSG` if the buffer does not hold one of this geometry.
 */
export function attachIndexWords(buffer: SharedArrayBuffer, geometry: IndexGeometry): IndexWords {
  // What WebAssembly reaches is a multiple of 64 KiB long.
  if (buffer.byteLength < indexMemoryBytes(geometry)) {
    throw new ZbudError(
      "EBADMSG",
      `this is not the index of a file store: it has ${buffer.byteLength} bytes`,
    );
  }
  const words = viewsOf(buffer, geometry);
  const { header } = words;
  const isOurs = header[W_MAGIC] === MAGIC && header[W_VERSION] === VERSION;
  const sameRows = header[W_ROWS_MAX] === geometry.maxRows && header[W_UNIT_COUNT] === geometry.unitCount;
  if (!isOurs || !sameRows || header[W_UNIT_BYTES] !== geometry.unitBytes) {
    throw new ZbudError(
      "EBADMSG",
      `this is not the index of a file store of this version: magic ${show(header[W_MAGIC])}, version ${show(header[W_VERSION])}; pass on what share() gave, with one version of zbud in all threads`,
    );
  }
  return words;
}

function viewsOf(buffer: SharedArrayBuffer | ArrayBuffer, geometry: IndexGeometry): IndexWords {
  const { buckets, rows, bits, total } = wordsOf(geometry);
  assert(buffer.byteLength >= 4 * total, "the index has the length of its geometry");
  let at = HEADER_WORDS + REGISTRY_WORDS;
  const next = (length: number): Int32Array => {
    at += length;
    return new Int32Array(buffer, 4 * (at - length), length);
  };
  return {
    geometry,
    buffer,
    header: new Int32Array(buffer, 0, HEADER_WORDS + REGISTRY_WORDS),
    numbers: new Float64Array(buffer, 0, HEADER_WORDS / 2),
    registryAt: HEADER_WORDS,
    users: next(PLACES),
    buckets: next(buckets),
    rows: next(rows),
    used: next(bits),
    pins: [next(bits), next(bits)],
  };
}
