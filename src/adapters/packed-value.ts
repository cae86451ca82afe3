import { ZbudError } from "../base/index.ts";

/** Where the header's length ends and the header begins. */
const HEADER_AT = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * One value from a header and bytes, so that bytes stay bytes:
 *
 *    byte 0     4                 4 + header length
 *         ┌─────┬─────────────────┬───────────────┐
 *         │ u32 │ header, as JSON │ body          │
 *         └─────┴─────────────────┴───────────────┘
 */
export function pack(header: unknown, body: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const text = encoder.encode(JSON.stringify(header));
  const bytes = new Uint8Array(body.reduce((sum, { length }) => sum + length, HEADER_AT + text.length));
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, HEADER_AT);
  let at = HEADER_AT + text.length;
  for (const part of body) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * What {@link pack} put together; the body is a view.
 *
 * @throws {ZbudError} `EBADMSG` if it is something else: then others write values under the adapter's keys.
 */
export function unpack(value: unknown): { header: unknown; body: Uint8Array } {
  if (value instanceof Uint8Array && value.length >= HEADER_AT) {
    const end = HEADER_AT + new DataView(value.buffer, value.byteOffset).getUint32(0, true);
    try {
      if (end <= value.length) {
        const header: unknown = JSON.parse(decoder.decode(value.subarray(HEADER_AT, end)));
        return { header, body: value.subarray(end) };
      }
    } catch (cause) {
      throw notPacked(cause);
    }
  }
  throw notPacked();
}

/** What is thrown for a value that the adapter did not write. */
export function notPacked(cause?: unknown): ZbudError {
  const options = cause === undefined ? {} : { cause };
  return new ZbudError(
    "EBADMSG",
    "a value of this cache was not written by the adapter that reads it; give the adapter a prefix of its own",
    options,
  );
}
