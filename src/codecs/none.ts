import { ZbudError } from "../base/index.ts";
import { checkCompress, checkDecompress, checkLength, SOURCE_BYTES_MAX } from "./arguments.ts";
import type { Codec } from "./types.ts";

/** The codec that copies: for data that is compressed already, and as the baseline of measurements. */
export function createNone(): Codec {
  return new None();
}

class None implements Codec {
  readonly name: string = "none";
  readonly id: number = 1;

  maxCompressedLength(n: number): number {
    return checkLength(n, SOURCE_BYTES_MAX);
  }

  compress(source: Uint8Array, target: Uint8Array): number {
    checkCompress(this.name, source, target, SOURCE_BYTES_MAX);
    if (source.length > target.length) return 0;
    target.set(source);
    return source.length;
  }

  decompress(source: Uint8Array, target: Uint8Array): number {
    checkDecompress(this.name, source, target);
    if (source.length > target.length) {
      throw new ZbudError("EBADMSG", `a block of ${source.length} bytes does not fit in ${target.length}`);
    }
    target.set(source);
    return source.length;
  }
}
