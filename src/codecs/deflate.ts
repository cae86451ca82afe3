import { checkNames, integerOption } from "../base/index.ts";
import { checkCompress, checkDecompress, checkLength, SOURCE_BYTES_MAX } from "./arguments.ts";
import type { Codec } from "./types.ts";
import { decompressBlock, nodeZlib, ZlibBlocks } from "./zlib.ts";

/** Options of {@link createDeflate}. */
export interface DeflateOptions {
  /** 1 (fastest) to 9 (smallest); 6 if absent. */
  level?: number;
}

/**
 * Raw deflate (RFC 1951) by node:zlib: smaller than lz4, and slower than zstd for the same size. It keeps some
 * 300 KB for its work from the first block on. A thread may be killed while it works; where Node runs with
 * `--permission` that can, very rarely, abort the process.
 *
 * @throws {ZbudError} `EINVAL` for a level out of range. In browsers its methods throw `ENOTSUP`.
 */
export function createDeflate(options: DeflateOptions = {}): Codec {
  checkNames("createDeflate", options, ["level"]);
  return new Deflate(integerOption("level", options.level ?? 6, 1, 9));
}

class Deflate implements Codec {
  readonly name: string = "deflate";
  readonly id: number = 4;
  readonly #level: number;
  #deflate: ZlibBlocks | undefined;
  #inflate: ZlibBlocks | undefined;

  constructor(level: number) {
    this.#level = level;
  }

  maxCompressedLength(n: number): number {
    // Stored blocks cost 5 bytes for each 16 KiB at worst.
    return checkLength(n, SOURCE_BYTES_MAX) + (n >>> 10) + 64;
  }

  compress(source: Uint8Array, target: Uint8Array): number {
    checkCompress(this.name, source, target, SOURCE_BYTES_MAX);
    this.#deflate ??= new ZlibBlocks("Zlib", nodeZlib(this.name).deflateRawSync, { level: this.#level });
    const room = Math.min(target.length, this.maxCompressedLength(source.length));
    return this.#deflate.convert(source, target, room);
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    checkDecompress(this.name, source, target);
    this.#inflate ??= new ZlibBlocks("Zlib", nodeZlib(this.name).inflateRawSync, {});
    return decompressBlock(this.name, this.#inflate, source, target);
  }
}
