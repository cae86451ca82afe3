import { type Codec, createLz4, createZstd } from "../codecs/index.ts";

/** The codec of a cache with this dictionary. */
export function codecWith(name: string, dictionary: Uint8Array): Codec {
  return name === "zstd" ? createZstd({ dictionary }) : createLz4({ dictionary });
}
