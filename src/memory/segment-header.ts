import { crc32 } from "../base/index.ts";

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
  view.setUint32(16, crc32(bytes.subarray(24)), true);
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
  if (view.getUint32(16, true) !== crc32(bytes.subarray(24, end))) return "damaged";
  try {
    const text = new TextDecoder().decode(bytes.subarray(DESCRIPTION_AT, end));
    const description = JSON.parse(text) as SegmentDescription;
    return { createdAt: view.getFloat64(24, true), fileBytes: view.getFloat64(32, true), description };
  } catch {
    return "damaged";
  }
}
