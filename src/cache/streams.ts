import { copyBytes, ownBytes, show, withSignal, ZbudError } from "../base/index.ts";
import { BlockPacker, BlockReader, type Engine } from "../engine/index.ts";
import { BLOCK_BYTES, VALUE_BYTES_MAX } from "../record/index.ts";

/**
 * What {@link CompressedCache.setStream} takes: a web stream, such as the body of a response, a stream of Node, or
 * anything else that gives Uint8Arrays one after the other.
 */
export type ByteSource = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** What gives chunks, one at a time. */
interface Chunks {
  next(): Promise<{ done?: boolean | undefined; value?: unknown }>;
  cancel(reason: unknown): unknown;
}

/**
 * The value of what a lookup found, as a stream of its blocks. Each is read when it is asked for.
 *
 * @param open - throws if the cache was closed.
 * @returns null: somebody replaced the value since it was found.
 */
export function streamOf(engine: Engine, open: () => void): ReadableStream<Uint8Array> | null {
  let reader: BlockReader;
  let next: Uint8Array | null = null;
  try {
    reader = new BlockReader(engine, engine.found);
    // A value of one block is read now: nothing can come between.
    if (reader.length > 0 && reader.length <= BLOCK_BYTES) next = readNext(reader);
  } catch (error) {
    if (error instanceof ZbudError && error.code === "ESTALE") return null;
    throw error;
  }
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (next === null && reader.nextLength > 0) {
          open();
          next = readNext(reader);
        }
        if (next !== null) controller.enqueue(next);
        next = null;
        if (reader.nextLength === 0) controller.close();
      },
      cancel() {
        next = null;
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * Reads what a lookup found, a value of several blocks, to where it is wanted, without a copy of it on the way.
 *
 * @returns false if somebody replaced it meanwhile: what is in `target` then is nothing.
 */
export function readInto(engine: Engine, target: Uint8Array): boolean {
  try {
    new BlockReader(engine, engine.found).readAll(target);
    return true;
  } catch (error) {
    if (error instanceof ZbudError && error.code === "ESTALE") return false;
    throw error;
  }
}

function readNext(reader: BlockReader): Uint8Array<ArrayBuffer> {
  const block = ownBytes(reader.nextLength);
  reader.read(block);
  return block;
}

/**
 * Packs what a source gives, block by block, and asks it for no more than that.
 *
 * @param maxStored - stored bytes; of a source that gives more, or more than the longest value, the rest is not read.
 * @returns null: there was too much.
 * @throws what the source threw, or the signal's reason: the source is cancelled with it. {@link ZbudError} `EINVAL` for
 *   a chunk that is no Uint8Array.
 */
export async function packStream(
  engine: Engine,
  source: ByteSource,
  maxStored: number,
  signal: AbortSignal,
): Promise<BlockPacker | null> {
  const chunks = chunksOf(source);
  const packer = new BlockPacker(engine);
  let block = ownBytes(0);
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await withSignal(chunks.next(), signal);
      if (done === true) break;
      if (!(value instanceof Uint8Array)) throw noBytes(value);
      if (packer.length + filled + value.length > VALUE_BYTES_MAX || packer.stored > maxStored) {
        leave(chunks, tooLong());
        return null;
      }
      for (let at = 0; at < value.length; ) {
        const count = Math.min(value.length - at, BLOCK_BYTES - filled);
        if (count === BLOCK_BYTES) {
          packer.add(value.subarray(at, at + count), false);
        } else {
          block = withRoom(block, filled, count);
          copyBytes(value, at, at + count, block, filled);
          filled += count;
          if (filled === BLOCK_BYTES) {
            packer.add(block, false);
            filled = 0;
          }
        }
        at += count;
      }
    }
  } catch (error) {
    leave(chunks, error);
    throw error;
  }
  if (filled > 0) packer.add(block.subarray(0, filled), false);
  return packer;
}

/** Room for `count` more bytes, up to that of a block. */
function withRoom(block: Uint8Array<ArrayBuffer>, filled: number, count: number): Uint8Array<ArrayBuffer> {
  if (filled + count <= block.length) return block;
  const longer = ownBytes(filled + count > BLOCK_BYTES >> 4 ? BLOCK_BYTES : BLOCK_BYTES >> 4);
  copyBytes(block, 0, filled, longer, 0);
  return longer;
}

/** Ends a source of which nothing is wanted. @throws {ZbudError} as {@link packStream} for what is none. */
export function leaveStream(source: ByteSource): void {
  leave(chunksOf(source), tooLong());
}

/** Ends a source of which no more is wanted. Nobody is told if it does not like that. */
function leave(chunks: Chunks, reason: unknown): void {
  try {
    Promise.resolve(chunks.cancel(reason)).catch(() => {});
  } catch {
    // As above.
  }
}

/** @throws {ZbudError} `EINVAL` for what gives no chunks, has a reader already, or was read or cancelled before. */
function chunksOf(source: ByteSource): Chunks {
  if (typeof (source as Partial<ReadableStream> | null | undefined)?.getReader === "function") {
    const stream = source as ReadableStream<Uint8Array>;
    if (stream.locked)
      throw new ZbudError("EINVAL", "this stream has a reader already; give setStream one that nobody reads");
    if (wasRead(stream)) throw alreadyRead();
    const reader = stream.getReader();
    return { next: () => reader.read(), cancel: (reason) => reader.cancel(reason) };
  }
  const iterate = (source as Partial<AsyncIterable<Uint8Array>> | null | undefined)?.[Symbol.asyncIterator];
  if (typeof iterate !== "function") {
    throw new ZbudError(
      "EINVAL",
      `setStream takes a ReadableStream, such as the body of a response, or another source of chunks, not ${show(source)}`,
    );
  }
  // Of a stream of Node, and of nothing else.
  const { readableDidRead, destroyed } = source as { readableDidRead?: unknown; destroyed?: unknown };
  if (readableDidRead === true || destroyed === true) throw alreadyRead();
  const iterator = iterate.call(source);
  return { next: () => iterator.next(), cancel: () => iterator.return?.() };
}

/** Whether somebody has read of a web stream, or cancelled it: what is left is not the value. */
function wasRead(stream: ReadableStream<Uint8Array>): boolean {
  try {
    // The only thing on every platform that says so. It reads nothing, and takes no lock.
    new Response(stream);
    return false;
  } catch {
    return true;
  }
}

function alreadyRead(): ZbudError {
  return new ZbudError(
    "EINVAL",
    "this stream was read or cancelled before, so it does not give the whole value; give setStream one that nobody has read, such as response.clone().body",
  );
}

function noBytes(value: unknown): ZbudError {
  return new ZbudError("EINVAL", `a stream for setStream gives Uint8Arrays, not ${show(value)}`);
}

function tooLong(): ZbudError {
  return new ZbudError("EINVAL", "the cache does not keep so much in one value");
}
