import { ZbudError } from "../base/index.ts";
import type { SnapshotColumns } from "../pool/index.ts";

/** What the page is told of a snapshot: all of it but which pages are free. */
export type Frame = Omit<SnapshotColumns, "free">;

// A frame on its way to the page:
//
//    byte 0      4        8                    8-aligned
//         ┌────────┬────────┬─────────────────┬─────────┬─────────┬──
//         │ magic  │ length │ header, as JSON │ handles │ offsets │ …
//         └────────┴────────┴─────────────────┴─────────┴─────────┴──
//
// Every number is little-endian; columns begin at multiples of 8 bytes, in the order of COLUMNS.

/** Indices of the objects of a row, in the order in which they lie. */
export function frameObjects({ starts, offsets }: Frame, row: number): number[] {
  const objects = Array.from({ length: starts[row + 1] - starts[row] }, (_, i) => starts[row] + i);
  return objects.sort((a, b) => offsets[a] - offsets[b]);
}

const MAGIC = 0x3166767a;
const ALIGN = 8;
const NAME_MAX = 256;
/** The highest number of a page: whoever shows pages in their order has a place for each. */
const PAGE_MAX = 2 ** 26;

/** The columns, in order, with what their length is counted by in the header. */
const COLUMNS = [
  ["handles", Float64Array, "objects", 0],
  ["offsets", Int32Array, "objects", 0],
  ["sizes", Int32Array, "objects", 0],
  ["pages", Int32Array, "pages", 0],
  ["bytes", Int32Array, "pages", 0],
  ["underReclaim", Uint8Array, "pages", 0],
  ["starts", Int32Array, "pages", 1],
  ["listStarts", Int32Array, "lists", 1],
  ["listPages", Int32Array, "listed", 0],
  ["lru", Int32Array, "lru", 0],
] as const;

interface Header {
  type: string;
  pageSize: number;
  maxPages: number;
  lists: string[];
  counts: { objects: number; pages: number; lists: number; listed: number; lru: number };
}

/** A frame as the pieces that make it up: its columns are sent as they are, without a copy. */
export function frameChunks(frame: Frame): Uint8Array[] {
  const header: Header = {
    type: frame.type,
    pageSize: frame.pageSize,
    maxPages: frame.maxPages,
    lists: [...frame.lists],
    counts: {
      objects: frame.handles.length,
      pages: frame.pages.length,
      lists: frame.lists.length,
      listed: frame.listPages.length,
      lru: frame.lru.length,
    },
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(aligned(8 + text.length));
  const numbers = new DataView(head.buffer);
  numbers.setInt32(0, MAGIC, true);
  numbers.setInt32(4, text.length, true);
  head.set(text, 8);
  const pieces: Uint8Array[] = [head];
  for (const [name] of COLUMNS) {
    const { buffer, byteOffset, byteLength } = frame[name];
    if (byteLength > 0) pieces.push(new Uint8Array(buffer, byteOffset, byteLength));
    const rest = aligned(byteLength) - byteLength;
    if (rest > 0) pieces.push(new Uint8Array(rest));
  }
  return pieces;
}

/**
 * Reads a frame; its columns are views of the bytes.
 *
 * @throws {ZbudError} `EBADMSG` if it is none.
 */
export function decodeFrame(bytes: ArrayBuffer): Frame {
  const damaged = (why: string): ZbudError =>
    new ZbudError("EBADMSG", `this is no snapshot of a viewer: ${why}; is the address right?`);
  if (bytes.byteLength < 8) throw damaged(`it has ${bytes.byteLength} bytes`);
  const head = new DataView(bytes);
  const length = head.getInt32(4, true);
  if (head.getInt32(0, true) !== MAGIC) throw damaged("it begins with other bytes");
  if (length < 0 || 8 + length > bytes.byteLength) throw damaged("it is cut off");
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length))) as Header;
    const counts = Object.values(header.counts);
    if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0)) throw damaged("a count is none");
    const { lists, type, pageSize, maxPages } = header;
    if (!Array.isArray(lists) || lists.length !== header.counts.lists || !lists.every(isName))
      throw damaged("lists have no names");
    if (!isName(type) || !Number.isFinite(pageSize) || !Number.isFinite(maxPages))
      throw damaged("it says nothing of its pool");
  } catch (error) {
    if (error instanceof ZbudError) throw error;
    throw new ZbudError("EBADMSG", "the header of this snapshot cannot be read", { cause: error });
  }
  const first = aligned(8 + length);
  if (first + columnsBytes(header.counts) !== bytes.byteLength)
    throw damaged("it has another length than its header says");
  const { type, pageSize, maxPages, lists } = header;
  const columns = columnsOf(bytes, first, header.counts);
  const why = contradiction(columns);
  if (why !== null) throw damaged(why);
  return { type, pageSize, maxPages, lists, ...columns };
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= NAME_MAX;
}

/** What in columns cannot be, though whoever shows them relies on it; or null. */
function contradiction(columns: Columns): string | null {
  const { offsets, sizes, pages, bytes, starts, listStarts, listPages, lru } = columns;
  if (!isRising(starts, offsets.length) || !isRising(listStarts, listPages.length)) return "its rows overlap";
  for (let row = 0; row < pages.length; row++) {
    if (pages[row] < 0 || pages[row] > PAGE_MAX || bytes[row] < 1) return `its page ${pages[row]} is none`;
    for (let i = starts[row]; i < starts[row + 1]; i++) {
      // One may go on in the next page of its group.
      if (offsets[i] < 0 || offsets[i] > bytes[row] || sizes[i] < 0)
        return `its object ${i} lies outside of its page`;
    }
  }
  // Each names pages in use, so there are not more.
  return lru.length > pages.length || listPages.length > pages.length
    ? "it lists more pages than it has"
    : null;
}

/** Whether these are places in a column of this length, from its start to its end. */
function isRising(starts: Int32Array, length: number): boolean {
  for (let i = 1; i < starts.length; i++) if (starts[i] < starts[i - 1]) return false;
  return starts[0] === 0 && starts[starts.length - 1] === length;
}

type Columns = Pick<Frame, (typeof COLUMNS)[number][0]>;

function columnsOf(buffer: ArrayBufferLike, first: number, counts: Header["counts"]): Columns {
  const columns: Record<string, Float64Array | Int32Array | Uint8Array> = {};
  let at = first;
  for (const [name, Kind, counted, more] of COLUMNS) {
    const length = counts[counted] + more;
    columns[name] = new Kind(buffer as ArrayBuffer, at, length);
    at += aligned(length * Kind.BYTES_PER_ELEMENT);
  }
  return columns as unknown as Columns;
}

function columnsBytes(counts: Header["counts"]): number {
  let bytes = 0;
  for (const [, Kind, counted, more] of COLUMNS) {
    bytes += aligned((counts[counted] + more) * Kind.BYTES_PER_ELEMENT);
  }
  return bytes;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGN) * ALIGN;
}
