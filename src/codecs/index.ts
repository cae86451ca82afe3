export { createDeflate, type DeflateOptions } from "./deflate.ts";
export { trainDictionary } from "./dictionary.ts";
export { createLz4, type Lz4Options } from "./lz4/lz4.ts";
export { codecById, codecNames, getCodec, registerCodec } from "./registry.ts";
export type { Codec } from "./types.ts";
export { createZstd, type ZstdBackend, type ZstdCodec, type ZstdOptions } from "./zstd.ts";
