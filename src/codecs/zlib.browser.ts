/**
 * What stands for `zstd.ts` and `deflate.ts` in a bundle for browsers, which have no node:zlib (`browser` in
 * package.json): codecs of the same names, each of whose calls says so.
 */
import { ZbudError } from "../base/index.ts";
import type { Codec } from "./types.ts";

class OfNode implements Codec {
  readonly name: string;
  readonly id: number;

  constructor(name: string, id: number) {
    this.name = name;
    this.id = id;
  }

  get backend(): never {
    return this.maxCompressedLength();
  }

  maxCompressedLength(): never {
    throw new ZbudError("ENOTSUP", `codec ${this.name} needs Node.js (node:zlib); in browsers use lz4`);
  }

  compress(): never {
    return this.maxCompressedLength();
  }

  decompress(): never {
    return this.maxCompressedLength();
  }
}

export function createZstd(): Codec {
  return new OfNode("zstd", 3);
}

export function createDeflate(): Codec {
  return new OfNode("deflate", 4);
}
