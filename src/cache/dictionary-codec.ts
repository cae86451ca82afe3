import { type Codec, createLz4, createZstd } from "../codecs/index.ts";
import { isColdCodec } from "./options.ts";

/** Of the codec for cold entries: its values take as long to read as those of the lowest, and a quarter less room. */
export const COLD_LEVEL = 6;

/**
 * The codec of a cache with this dictionary of its.
 *
 * @param name - of the cache's codec.
 * @param number - that of one that needs a dictionary: which of the two kinds it is.
 */
export function codecWith(name: string, dictionary: Uint8Array, number: number): Codec {
  if (isColdCodec(number)) return createZstd({ dictionary, level: COLD_LEVEL });
  return name === "zstd" ? createZstd({ dictionary }) : createLz4({ dictionary });
}
