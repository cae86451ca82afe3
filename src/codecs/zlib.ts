import { builtin, noteFallback, ownBytes, ZbudError } from "../base/index.ts";
import { type HandleKind, learnHandle, type ZlibFunction, type ZlibHandle } from "./zlib-handle.ts";

type Zlib = typeof import("node:zlib");

let zlib: Zlib | null = null;
let scratch = new Uint8Array(0);
let results = new Uint8Array(0);

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

/** The array for results is kept up to this length. */
const KEPT_BYTES_MAX = 2 ** 20;

/** At least `length` bytes to write a result to, valid until the next call. */
function resultArray(length: number): Uint8Array {
  if (length <= results.length) return results;
  const array = ownBytes(Math.max(length, 8192));
  if (length <= KEPT_BYTES_MAX) results = array;
  return array;
}

/** A zstd frame of one byte without this byte. */
const CUT_FRAME = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 9, 0, 0);
let noticesCut: boolean | undefined;

/** Whether this Node says so when a zstd frame is cut off: before 24 it waits for the rest. */
function noticesCutFrames(open: () => ZlibHandle): boolean {
  if (noticesCut === undefined) {
    const handle = open();
    noticesCut = !handle.write(CUT_FRAME, CUT_FRAME.length, new Uint8Array(8), 8);
    handle.close();
    if (!noticesCut) noteFallback("zstd-frames");
  }
  return noticesCut;
}

/** What node:zlib's synchronous functions return when asked for `info`. */
interface WithInfo {
  buffer: Uint8Array;
  engine: { bytesWritten: number };
}

/**
 * Brings blocks from one form to the other by node:zlib, in one direction. One native handle is made at the
 * first block and kept. Where that cannot be, blocks go through one of node:zlib's synchronous functions, which
 * make a handle and a result for each call.
 */
export class ZlibBlocks {
  /** The bytes of its source that the last {@link convert} made use of. */
  consumed = 0;
  readonly #kind: HandleKind;
  readonly #run: ZlibFunction;
  readonly #options: object;
  /** Undefined: not looked for yet. */
  #open: (() => ZlibHandle) | null | undefined;
  #kept: ZlibHandle | null = null;

  constructor(kind: HandleKind, run: ZlibFunction, options: object) {
    this.#kind = kind;
    this.#run = run;
    this.#options = options;
  }

  /**
   * @param room - how much of `target` may be written.
   * @returns the bytes written to `target`, or 0 if the result does not fit.
   * @throws node:zlib's error.
   */
  convert(source: Uint8Array, target: Uint8Array, room: number): number {
    if (this.#open === undefined) this.#open = this.#learn();
    if (this.#open === null) return this.#byFunction(source, target, room);
    let handle = this.#kept;
    if (handle === null) handle = this.#open();
    else if (this.#kind === "Zlib") handle.reset();
    // It comes back once it is known to be ready for an other block.
    this.#kept = null;
    const input = unshared(source);
    // One byte more than there may be: as long as a byte is free, the handle has written all that it has.
    const output = resultArray(room + 1);
    if (!handle.write(input, source.length, output, room + 1)) {
      handle.close();
      throw handle.error;
    }
    const written = room + 1 - handle.room;
    this.consumed = source.length - handle.unread;
    if (this.#isReady(handle, written, input, output)) this.#kept = handle;
    else handle.close();
    if (written > room) return 0;
    target.set(output.subarray(0, written));
    return written;
  }

  #learn(): (() => ZlibHandle) | null {
    const open = learnHandle(this.#kind, this.#run, this.#options);
    if (open === null) noteFallback("zlib-handle");
    return open;
  }

  /** Whether nothing of the last block is left in the handle, or its rest could be removed. */
  #isReady(handle: ZlibHandle, written: number, input: Uint8Array, output: Uint8Array): boolean {
    if (this.#kind === "Zlib") return true;
    if (this.#kind === "ZstdDecompress") {
      // It may wait for the rest of a frame, or for nothing more at all.
      const isDone = written > 0 && handle.room > 0 && handle.unread === 0;
      return isDone && noticesCutFrames(this.#open as () => ZlibHandle);
    }
    if (handle.unread > 0) return false;
    while (handle.room === 0) if (!handle.write(input, 0, output, output.length)) return false;
    return true;
  }

  #byFunction(source: Uint8Array, target: Uint8Array, room: number): number {
    let result: WithInfo;
    try {
      result = this.#run(unshared(source), {
        ...this.#options,
        ...(this.#kind === "ZstdCompress" ? { pledgedSrcSize: source.length } : {}),
        info: true,
        maxOutputLength: Math.max(room, 1),
        chunkSize: Math.min(Math.max(room, 64), 65536),
      }) as WithInfo;
    } catch (error) {
      if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") return 0;
      throw error;
    }
    if (result.buffer.length > room) return 0;
    target.set(result.buffer);
    this.consumed = result.engine.bytesWritten;
    return result.buffer.length;
  }
}

/**
 * Decompresses one whole block.
 *
 * @throws {ZbudError} `EBADMSG` when that fails, leaves input over, or yields nothing or too much.
 */
export function decompressBlock(
  codec: string,
  blocks: ZlibBlocks,
  source: Uint8Array,
  target: Uint8Array,
): number {
  let written: number;
  try {
    written = blocks.convert(source, target, target.length);
  } catch (cause) {
    throw new ZbudError("EBADMSG", `a malformed ${codec} block of ${source.length} bytes`, { cause });
  }
  if (written === 0) {
    throw new ZbudError(
      "EBADMSG",
      `a ${codec} block of ${source.length} bytes holds nothing, or more than the ${target.length} bytes of its target`,
    );
  }
  if (blocks.consumed !== source.length) {
    throw new ZbudError(
      "EBADMSG",
      `a ${codec} block ends after ${blocks.consumed} bytes, but ${source.length} were given`,
    );
  }
  return written;
}
