import { ZbudError } from "../base/index.ts";
import type { ViewedSnapshot } from "./types.ts";

/**
 * A snapshot on its way to the page: columns instead of objects, so that 100,000 pages are a few copies.
 *
 *    byte 0      4        8                    8-aligned
 *         ┌────────┬────────┬─────────────────┬─────────┬─────────┬──
 *         │ magic  │ length │ header, as JSON │ handles │ pages   │ …
 *         └────────┴────────┴─────────────────┴─────────┴─────────┴──
 *
 * Every number is little-endian; columns begin at multiples of 8 bytes, in the order of {@link COLUMNS}.
 */
export interface Frame {
  readonly type: string;
  readonly pageSize: number;
  readonly maxPages: number;
  /** Names of the lists, and where each begins in `listPages`; one more at the end. */
  readonly lists: readonly string[];
  /** Object `i` is named `handles[i]`, and lies at `offsets[i]`, `sizes[i]` bytes long. */
  readonly handles: Float64Array;
  readonly offsets: Int32Array;
  readonly sizes: Int32Array;
  /** Row `i` is page `pages[i]` of `bytes[i]` bytes; its objects are `starts[i]` to `starts[i + 1] - 1`. */
  readonly pages: Int32Array;
  readonly bytes: Int32Array;
  readonly underReclaim: Uint8Array;
  readonly starts: Int32Array;
  readonly listStarts: Int32Array;
  readonly listPages: Int32Array;
  readonly lru: Int32Array;
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

/** Packs a snapshot. */
export function encodeFrame(snapshot: ViewedSnapshot): Uint8Array {
  const { pages, lists, lru } = snapshot;
  let objects = 0;
  for (let i = 0; i < pages.length; i++) objects += pages[i].objects.length;
  let listed = 0;
  for (const list of lists) listed += list.pages.length;
  const header: Header = {
    type: snapshot.type,
    pageSize: snapshot.pageSize,
    maxPages: snapshot.maxPages,
    lists: lists.map(({ name }) => name),
    counts: { objects, pages: pages.length, lists: lists.length, listed, lru: lru.length },
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const first = aligned(8 + text.length);
  const frame = new Uint8Array(first + columnsBytes(header.counts));
  const head = new DataView(frame.buffer);
  head.setInt32(0, MAGIC, true);
  head.setInt32(4, text.length, true);
  frame.set(text, 8);
  const columns = columnsOf(frame.buffer, first, header.counts);
  let object = 0;
  for (let i = 0; i < pages.length; i++) {
    const page = pages[i];
    columns.pages[i] = page.page;
    columns.bytes[i] = page.bytes;
    columns.underReclaim[i] = Number(page.underReclaim);
    columns.starts[i] = object;
    for (let j = 0; j < page.objects.length; j++) {
      const { handle, offset, size } = page.objects[j];
      columns.handles[object] = handle;
      columns.offsets[object] = offset;
      columns.sizes[object] = size;
      object += 1;
    }
  }
  columns.starts[pages.length] = object;
  let at = 0;
  lists.forEach((list, i) => {
    columns.listStarts[i] = at;
    columns.listPages.set(list.pages, at);
    at += list.pages.length;
  });
  columns.listStarts[lists.length] = at;
  columns.lru.set(lru);
  return frame;
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

type Columns = Omit<Frame, "type" | "pageSize" | "maxPages" | "lists">;

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
