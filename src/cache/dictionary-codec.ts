import { type Codec, createLz4, createZstd } from "../codecs/index.ts";
import { COLD_CODEC } from "./options.ts";

/** Of the codec for cold entries: its values take as long to read as those of the lowest, and a quarter less room. */
export const COLD_LEVEL = 6;

/**
 * The codec of a cache with this dictionary.
 *
 * @param name - of the cache's codec.
 * @param number - which of the two: `DICTIONARY_CODEC` or `COLD_CODEC`.
 */
export function codecWith(name: string, dictionary: Uint8Array, number: number): Codec {
  if (number === COLD_CODEC) return createZstd({ dictionary, level: COLD_LEVEL });
  return name === "zstd" ? createZstd({ dictionary }) : createLz4({ dictionary });
}
