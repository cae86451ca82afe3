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
export function framePieces(frame: Frame): Uint8Array[] {
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
  if (head.getInt32(0, true) !== MAGIC) throw damaged("it begins otherwise");
  if (length < 0 || 8 + length > bytes.byteLength) throw damaged("it is cut off");
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length))) as Header;
    const counts = Object.values(header.counts);
    if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0)) throw damaged("a count is none");
    if (header.lists.length !== header.counts.lists) throw damaged("lists have no names");
  } catch (error) {
    if (error instanceof ZbudError) throw error;
    throw new ZbudError("EBADMSG", "the header of this snapshot cannot be read", { cause: error });
  }
  const first = aligned(8 + length);
  if (first + columnsBytes(header.counts) !== bytes.byteLength) throw damaged("its length is another");
  const { type, pageSize, maxPages, lists } = header;
  return { type, pageSize, maxPages, lists, ...columnsOf(bytes, first, header.counts) };
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
