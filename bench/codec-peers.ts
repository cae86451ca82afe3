import { createRequire } from "node:module";
import { constants, deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import * as lz4Napi from "lz4-napi";
import * as lz4Wasm from "lz4-wasm-nodejs";
import * as snappy from "snappy";
import type { Codec } from "../src/codecs/index.ts";

/** A codec of ours or of a package, in the form in which its package offers it. */
export interface Peer {
  name: string;
  /** Compresses one unit. The result is valid until the next call; `keep` is for decompress later. */
  compress(source: Buffer, keep: boolean): Uint8Array;
  /** Decompresses what `compress` made. The first `unit` bytes of the result count. */
  decompress(block: Uint8Array, unit: number): Uint8Array;
  /** How many bytes its block takes. */
  size(source: Buffer): number;
}

/** A codec of this project. */
export function ours(codec: Codec, maxUnit: number): Peer {
  const target = new Uint8Array(codec.maxCompressedLength(maxUnit));
  const back = new Uint8Array(maxUnit);
  const targets = new Map<number, Uint8Array>();
  return {
    name: `zbud ${codec.name}`,
    compress(source, keep) {
      const size = codec.compress(source, target);
      return keep ? target.slice(0, size) : target;
    },
    decompress(block, unit) {
      let exact = targets.get(unit);
      if (exact === undefined) {
        exact = back.subarray(0, unit);
        targets.set(unit, exact);
      }
      codec.decompress(block, exact);
      return exact;
    },
    size: (source) => codec.compress(source, target),
  };
}

/** The packages that offer LZ4 or are used instead of it. */
export function lz4Peers(): Peer[] {
  return [
    allocating(
      "lz4-napi",
      (source) => lz4Napi.compressSync(source),
      (block) => lz4Napi.uncompressSync(block),
      4,
    ),
    allocating(
      "lz4-wasm-nodejs",
      (source) => lz4Wasm.compress(source),
      (block) => lz4Wasm.decompress(block),
      4,
    ),
    lz4js(),
    allocating(
      "snappy",
      (source) => snappy.compressSync(source),
      (block) => snappy.uncompressSync(block as Buffer, { asBuffer: true }) as Buffer,
    ),
    allocating(
      "node:zlib deflateRaw 1",
      (source) => deflateRawSync(source, { level: 1 }),
      (block) => inflateRawSync(block),
    ),
  ];
}

/** The way to zstd without a package. */
export function zstdPeers(): Peer[] {
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  return [
    allocating(
      "node:zlib zstd 1",
      (source) => zstdCompressSync(source, { params }),
      (block) => zstdDecompressSync(block),
    ),
  ];
}

/** A package whose functions return new buffers. `prefix` bytes of them are not the block. */
function allocating(
  name: string,
  compress: (source: Buffer) => Uint8Array,
  decompress: (block: Uint8Array) => Uint8Array,
  prefix = 0,
): Peer {
  return { name, compress, decompress, size: (source) => compress(source).length - prefix };
}

/** The functions of lz4js for blocks; the package has no types. */
interface Lz4js {
  compressBound(n: number): number;
  compressBlock(
    source: Uint8Array,
    target: Uint8Array,
    start: number,
    length: number,
    table: Uint32Array,
  ): number;
  decompressBlock(source: Uint8Array, target: Uint8Array, start: number, length: number, at: number): number;
}

function lz4js(): Peer {
  const lz4 = createRequire(import.meta.url)("lz4js") as Lz4js;
  const table = new Uint32Array(65_536);
  let target = new Uint8Array(0);
  let back = new Uint8Array(0);
  const size = (source: Buffer): number => {
    if (target.length < source.length * 2) target = new Uint8Array(lz4.compressBound(source.length) * 2);
    table.fill(0);
    // 0 for what does not compress: a caller would keep it as it is.
    return lz4.compressBlock(source, target, 0, source.length, table) || source.length;
  };
  return {
    name: "lz4js",
    compress(source, keep) {
      const length = size(source);
      if (!keep) return target;
      return length < source.length ? target.slice(0, length) : Uint8Array.from(source);
    },
    decompress(block, unit) {
      if (block.length === unit) return block;
      if (back.length !== unit) back = new Uint8Array(unit);
      lz4.decompressBlock(block, back, 0, block.length, 0);
      return back;
    },
    size,
  };
}
