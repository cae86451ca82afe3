import { builtin, ownBytes, ZbudError } from "../base/index.ts";

type Zlib = typeof import("node:zlib");

let zlib: Zlib | null = null;
let scratch = new Uint8Array(0);

/**
 * node:zlib, taken at the first use: importing this library needs no Node.
 *
 * @throws {ZbudError} `ENOTSUP` where there is no node:zlib.
 */
export function nodeZlib(codec: string): Zlib {
  zlib ??= builtin<typeof import("node:zlib")>("node:zlib") ?? null;
  if (zlib) return zlib;
  throw new ZbudError("ENOTSUP", `codec ${codec} needs Node.js (node:zlib); in browsers use lz4`);
}

/**
 * `source`, or a copy of it when other threads could change it meanwhile: native decoders check what they
 * read once and rely on it. The copy is valid until the next call.
 */
export function unshared(source: Uint8Array): Uint8Array {
  if (source.buffer instanceof ArrayBuffer) return source;
  if (scratch.length < source.length) scratch = ownBytes(source.length);
  scratch.set(source);
  return scratch.subarray(0, source.length);
}

/** What node:zlib's synchronous functions return when asked for `info`. */
interface WithInfo {
  buffer: Uint8Array;
  engine: { bytesWritten: number };
}

/**
 * Calls one of node:zlib's synchronous functions with as little room as `target` has, and copies the result.
 *
 * @returns the bytes written to `target`, or 0 if the result does not fit.
 */
export function runIntoTarget(
  run: (source: Uint8Array, options: object) => unknown,
  source: Uint8Array,
  target: Uint8Array,
  options: object,
): { written: number; consumed: number } {
  const room = Math.max(target.length, 1);
  let result: WithInfo;
  try {
    result = run(unshared(source), {
      ...options,
      info: true,
      maxOutputLength: room,
      chunkSize: Math.min(Math.max(room, 64), 65536),
    }) as WithInfo;
  } catch (error) {
    if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") return { written: 0, consumed: 0 };
    throw error;
  }
  if (result.buffer.length > target.length) return { written: 0, consumed: 0 };
  target.set(result.buffer);
  return { written: result.buffer.length, consumed: result.engine.bytesWritten };
}

/**
 * Decompresses with one of node:zlib's synchronous functions.
 *
 * @throws {ZbudError} `EBADMSG` when that fails, leaves input over, or yields nothing or too much.
 */
export function decompressIntoTarget(
  codec: string,
  run: (source: Uint8Array, options: object) => unknown,
  source: Uint8Array,
  target: Uint8Array,
  options: object,
): number {
  let result: { written: number; consumed: number };
  try {
    result = runIntoTarget(run, source, target, options);
  } catch (cause) {
    throw new ZbudError("EBADMSG", `a malformed ${codec} block of ${source.length} bytes`, { cause });
  }
  if (result.written === 0) {
    throw new ZbudError(
      "EBADMSG",
      `a ${codec} block of ${source.length} bytes holds nothing, or more than the ${target.length} bytes of its target`,
    );
  }
  if (result.consumed !== source.length) {
    throw new ZbudError(
      "EBADMSG",
      `a ${codec} block ends after ${result.consumed} bytes, but ${source.length} were given`,
    );
  }
  return result.written;
}
