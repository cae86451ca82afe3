import { integerOption, show, ZbudError } from "../base/index.ts";

/** What a codec of ours takes at most, unless it says otherwise: 1 GiB. */
export const SOURCE_BYTES_MAX: number = 2 ** 30;

/** @throws {ZbudError} `EINVAL` unless both are Uint8Arrays and `source` has a length `codec` takes. */
export function checkCompress(codec: string, source: Uint8Array, target: Uint8Array, maxBytes: number): void {
  checkArrays(codec, source, target);
  if (source.length === 0 || source.length > maxBytes) {
    throw new ZbudError(
      "EINVAL",
      `${codec} compresses 1 to ${maxBytes} bytes at a time, not ${source.length}`,
    );
  }
}

/** @throws {ZbudError} `EINVAL` unless both are Uint8Arrays, `EBADMSG` if `source` is empty. */
export function checkDecompress(codec: string, source: Uint8Array, target: Uint8Array): void {
  checkArrays(codec, source, target);
  if (source.length === 0) throw new ZbudError("EBADMSG", `an empty ${codec} block: nothing to decompress`);
}

/** @throws {ZbudError} `EINVAL` unless `n` is an integer from 1 to `maxBytes`. */
export function checkLength(n: number, maxBytes: number): number {
  return integerOption("the length to compress", n, 1, maxBytes);
}

function checkArrays(codec: string, source: Uint8Array, target: Uint8Array): void {
  if (!(source instanceof Uint8Array)) {
    throw new ZbudError("EINVAL", `${codec} needs a Uint8Array as source, not ${show(source)}`);
  }
  if (!(target instanceof Uint8Array)) {
    throw new ZbudError("EINVAL", `${codec} needs a Uint8Array as target, not ${show(target)}`);
  }
}
