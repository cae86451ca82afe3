import { checkNames, integerOption } from "../base/index.ts";
import { checkCompress, checkDecompress, checkLength, SOURCE_BYTES_MAX } from "./arguments.ts";
import type { Codec } from "./types.ts";
import { decompressIntoTarget, nodeZlib, runIntoTarget } from "./zlib.ts";

/** Options of {@link createDeflate}. */
export interface DeflateOptions {
  /** 1 (fastest) to 9 (smallest); 6 if absent. */
  level?: number;
}

/**
 * Raw deflate (RFC 1951) by node:zlib. Each call allocates its result inside node:zlib, which costs more
 * than compressing a small block does: for speed choose lz4 or zstd.
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
  readonly #options: { level: number };

  constructor(level: number) {
    this.#options = { level };
  }

  maxCompressedLength(n: number): number {
    // Stored blocks cost 5 bytes for each 16 KiB at worst.
    return checkLength(n, SOURCE_BYTES_MAX) + (n >>> 10) + 64;
  }

  compress(source: Uint8Array, target: Uint8Array): number {
    checkCompress(this.name, source, target, SOURCE_BYTES_MAX);
    return runIntoTarget(nodeZlib(this.name).deflateRawSync, source, target, this.#options).written;
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    checkDecompress(this.name, source, target);
    return decompressIntoTarget(this.name, nodeZlib(this.name).inflateRawSync, source, target, {});
  }
}
