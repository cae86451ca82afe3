import { crc32ByTables, REGISTRY_WORDS } from "../base/index.ts";
import { MAP_UNIT } from "./system-calls.ts";

/**
 * What a segment's file begins with. Written before the file gets its name, and never changed.
 *
 *   byte  0   8 bytes  "zbudshm\\n"
 *         8   uint32   version of this header
 *        12   uint32   bytes of the description
 *        16   uint32   CRC-32 of bytes 24 to the end of the description
 *        24   float64  when it was made, in ms since 1970
 *        32   float64  bytes of the file
 *        64            the description: JSON
 *
 * At {@link CONTROL_AT}, for each area a float64: how many of its bytes have room in the file system. The areas follow.
 */
export interface SegmentHeader {
  readonly createdAt: number;
  readonly fileBytes: number;
  readonly description: SegmentDescription;
}

/** What a segment holds, as its header says it. */
export interface SegmentDescription {
  /** `"cache"`, `"store"`, `"pool"` or `"index"`. */
  readonly kind: string;
  /** Version of the layout of all that lies in it. */
  readonly layout: string;
  /** The start of the machine in which it was made. */
  readonly boot: string;
  /** Which process made it. */
  readonly pid: number;
  /** The options that everybody who joins must agree about. */
  readonly agreement: Agreement;
  readonly areas: readonly AreaPlace[];
  /** Number of the area with the table of threads, and where in it the table begins, in words. */
  readonly threads: readonly [number, number];
  /** What `share()` gives, with numbers of areas in the place of buffers. */
  readonly shared: unknown;
}

/** Options by their names. */
export type Agreement = Readonly<Record<string, string | number | boolean | null>>;

/** Where an area lies. */
export interface AreaPlace {
  readonly offset: number;
  readonly bytes: number;
  /** Whether WebAssembly reaches it. */
  readonly lockable: boolean;
}

const MAGIC = "zbudshm\n";
const VERSION = 1;
/** WebAssembly reaches no more. */
const LOCKABLE_BYTES_MAX = 2 ** 32;
/** How deep what `share()` gives may be nested. */
const DEPTH_MAX = 16;
const DESCRIPTION_AT = 64;
/** Where the header ends and the control words begin. */
export const CONTROL_AT: number = 2 ** 17;
export const AREAS_MAX = 8192;
export const AREAS_AT: number = CONTROL_AT + AREAS_MAX * 8;
export const DESCRIPTION_BYTES_MAX: number = CONTROL_AT - DESCRIPTION_AT;

export function encodeSegmentHeader({ createdAt, fileBytes, description }: SegmentHeader): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(description));
  const bytes = new Uint8Array(DESCRIPTION_AT + text.length);
  const view = new DataView(bytes.buffer);
  new TextEncoder().encodeInto(MAGIC, bytes);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, text.length, true);
  view.setFloat64(24, createdAt, true);
  view.setFloat64(32, fileBytes, true);
  bytes.set(text, DESCRIPTION_AT);
  view.setUint32(16, crc32ByTables(bytes.subarray(24)), true);
  return bytes;
}

/** What a file's first bytes are: `"foreign"`, not ours; `"damaged"`, or of another version of this header. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | "foreign" | "damaged" {
  const magic = new TextDecoder("latin1").decode(bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC) return "foreign";
  if (bytes.length < DESCRIPTION_AT) return "damaged";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = DESCRIPTION_AT + view.getUint32(12, true);
  if (view.getUint32(8, true) !== VERSION || end > bytes.length) return "damaged";
  // Not the one of node:zlib, which takes longer to load than to map all of it.
  if (view.getUint32(16, true) !== crc32ByTables(bytes.subarray(24, end))) return "damaged";
  const createdAt = view.getFloat64(24, true);
  const fileBytes = view.getFloat64(32, true);
  let description: unknown;
  try {
    description = JSON.parse(new TextDecoder().decode(bytes.subarray(DESCRIPTION_AT, end)));
  } catch {
    return "damaged";
  }
  if (!Number.isFinite(createdAt) || !Number.isSafeInteger(fileBytes)) return "damaged";
  return isDescription(description, fileBytes) ? { createdAt, fileBytes, description } : "damaged";
}

/** Bytes of the file that are an area's: whole units. */
export function unitsOf(bytes: number): number {
  return Math.ceil(bytes / MAP_UNIT) * MAP_UNIT;
}

/** Whether a description says what one must say, and names nothing outside of the file. */
function isDescription(value: unknown, fileBytes: number): value is SegmentDescription {
  if (!isRecord(value)) return false;
  const { kind, layout, boot, pid, agreement, areas, threads, shared } = value;
  return (
    [kind, layout, boot].every((each) => typeof each === "string") &&
    Number.isSafeInteger(pid) &&
    isRecord(agreement) &&
    Object.values(agreement).every((each) => typeof each !== "object" || each === null) &&
    areAreas(areas, fileBytes) &&
    isTable(threads, areas) &&
    isRecord(shared) &&
    isSharable(shared, areas, 0)
  );
}

/** Whether areas lie one behind the other, and in the file. */
function areAreas(areas: unknown, fileBytes: number): areas is AreaPlace[] {
  if (!Array.isArray(areas) || areas.length > AREAS_MAX) return false;
  let end = AREAS_AT;
  for (const area of areas as unknown[]) {
    if (!isRecord(area)) return false;
    const { offset, bytes, lockable } = area;
    if (!isNumber(offset, end, fileBytes) || offset % MAP_UNIT !== 0) return false;
    if (typeof lockable !== "boolean") return false;
    if (!isNumber(bytes, 1, lockable ? LOCKABLE_BYTES_MAX : fileBytes)) return false;
    end = offset + unitsOf(bytes);
  }
  return end <= fileBytes;
}

/** Whether a table of threads lies in an area. */
function isTable(threads: unknown, areas: readonly AreaPlace[]): boolean {
  if (!Array.isArray(threads) || threads.length !== 2) return false;
  const [area, at] = threads as unknown[];
  return (
    isNumber(area, 0, areas.length - 1) && isNumber(at, 0, Math.floor(areas[area].bytes / 4) - REGISTRY_WORDS)
  );
}

/** Whether all areas that stand for buffers are there. */
function isSharable(value: unknown, areas: readonly AreaPlace[], depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth > DEPTH_MAX) return false;
  const { $buffer, $memory, $number } = value as Record<string, unknown>;
  if ($buffer !== undefined) return isNumber($buffer, 0, areas.length - 1);
  if ($memory !== undefined) return isNumber($memory, 0, areas.length - 1) && areas[$memory].lockable;
  if ($number !== undefined) return typeof $number === "string";
  return Object.values(value).every((each) => isSharable(each, areas, depth + 1));
}

function isNumber(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
