export { checkCodec, codecById, codecNames, getCodec, registerCodec } from "./codec-registry.ts";
export { createDeflate, type DeflateOptions } from "./deflate.ts";
export { trainDictionary, trainingSteps } from "./dictionary.ts";
export { createLz4, type Lz4Options } from "./lz4/lz4.ts";
/** @internal */
export { LZ4_MODULE } from "./lz4/module.generated.ts";
export { stagedCodec } from "./staged.ts";
export type { Codec, StagedCodec } from "./types.ts";
export { createZstd, type ZstdBackend, type ZstdOptions } from "./zstd.ts";
