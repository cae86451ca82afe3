/**
 * Codecs: lz4, zstd and deflate behind one interface, those of one's own, and dictionaries.
 *
 * @module
 */
export {
  type Codec,
  codecNames,
  createDeflate,
  createLz4,
  createZstd,
  getCodec,
  registerCodec,
  trainDictionary,
} from "../codecs/index.ts";
