import { fillWith, ownBytes, ZbudError } from "../base/index.ts";
import type { Codec } from "../codecs/index.ts";

/** An entry outside of the engine: in a file, or in the second tier. */
export interface StoredEntry {
  /** Prefix, head, and what the codec made, one after the other. */
  bytes: Uint8Array;
  prefixLength: number;
  headLength: number;
  storedLength: number;
  length: number;
  codec: number;
  sameFilled: boolean;
  fill0: number;
  fill1: number;
  expiresAt: number;
  /** See `expiry.ts`. */
  aux: number;
  /** The window of staleness, in ms. */
  aux2: number;
  clean: boolean;
}

/**
 * The bytes of an entry's value.
 *
 * @param codec - of the entry; null if its bytes are the value itself, or one word fills it.
 * @param value - room for exactly the value.
 * @throws {ZbudError} `EBADMSG` if they are not what the codec made.
 */
export function decodeStored(
  entry: StoredEntry,
  codec: Codec | null,
  value: Uint8Array = ownBytes(entry.length),
): Uint8Array {
  if (entry.sameFilled) {
    fillWith(value, value.length, entry.fill0, entry.fill1);
    return value;
  }
  const stored = entry.bytes.subarray(entry.prefixLength + entry.headLength);
  const isWhole = codec === null ? stored.length === value.length : value.length > 0;
  if (!isWhole)
    throw new ZbudError("EBADMSG", `an entry of ${value.length} bytes has ${stored.length} stored`);
  if (codec === null) value.set(stored);
  else if (codec.decompress(stored, value) !== value.length) {
    throw new ZbudError("EBADMSG", `an entry is shorter than the ${value.length} bytes that it had`);
  }
  return value;
}
