import { noteFallback } from "../base/index.ts";
import { hasHeadroom } from "./headroom.ts";
import { systemOf } from "./system-calls.ts";

/** The open file of a segment, as its areas need it. */
export interface SegmentFile {
  close(): void;
  readonly descriptor: number;
  /** For each area, by its number: how many of its bytes have room in the file system. */
  readonly committed: Float64Array;
}

/** A part of a segment that is mapped as a buffer of its own. */
export class SegmentArea {
  readonly buffer: SharedArrayBuffer;
  readonly file: SegmentFile;
  readonly #number: number;
  /** Where it begins in the file. */
  readonly #offset: number;

  constructor(file: SegmentFile, number: number, offset: number, buffer: SharedArrayBuffer) {
    this.file = file;
    this.#number = number;
    this.#offset = offset;
    this.buffer = buffer;
    areas.set(buffer, this);
  }

  /** How many bytes from the start can be touched. It only grows. */
  get committed(): number {
    return this.file.committed[this.#number];
  }

  /** Makes sure that the first `bytes` can be touched. Whoever uses the area keeps others from calling it meanwhile. */
  commit(bytes: number): boolean {
    if (!this.allocate(this.committed, bytes)) return false;
    this.file.committed[this.#number] = bytes;
    return true;
  }

  /** Takes room for a range of bytes, in whole pages of the machine. False: there is none. */
  allocate(from: number, to: number): boolean {
    const { pageBytes } = systemOf();
    const start = Math.floor(from / pageBytes) * pageBytes;
    const end = Math.ceil(to / pageBytes) * pageBytes;
    // A group at its limit is not refused room: the kernel ends one of its processes.
    const isDone =
      hasHeadroom(end - start) &&
      systemOf().allocate(this.file.descriptor, this.#offset + start, end - start);
    if (!isDone) noteFallback("file-system-full");
    return isDone;
  }

  /** Gives the room of a range back, of whole pages of the machine. */
  giveBack(from: number, to: number): boolean {
    const { descriptor } = this.file;
    return systemOf().punch(this.buffer, from, to - from, descriptor, this.#offset + from);
  }
}

const areas = new WeakMap<ArrayBufferLike, SegmentArea>();

/** The area that a buffer is, in this thread; undefined for memory of one process. */
export function segmentAreaOf(buffer: ArrayBufferLike): SegmentArea | undefined {
  return areas.get(buffer);
}
