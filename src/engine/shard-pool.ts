import { copyBytes, type Handle } from "../base/index.ts";
import type { SharedMemory } from "../memory/index.ts";
import {
  checkMade,
  countOpenPools,
  type DriverOptions,
  type ObjectSpan,
  type Pool,
  type PoolDriver,
  type SharedPool,
} from "../pool/index.ts";

/** A pool of one shard, and where its objects lie: bytes are copied by ranges, without views. */
export class ShardPool {
  readonly type: string;
  readonly pool: Pool;
  readonly maxObjectBytes: number;
  readonly #bytes: Uint8Array;
  /** Where the open object's bytes are. */
  readonly #span: ObjectSpan = { offset: 0, size: 0, offset2: 0, size2: 0 };

  constructor(type: string, pool: Pool) {
    this.type = type;
    this.pool = pool;
    this.maxObjectBytes = pool.maxObjectBytes;
    this.#bytes = pool.memoryBytes;
    countOpenPools(type, 1);
  }

  /** @param memory - where its buffers come from if it is shared. */
  static create(
    driver: PoolDriver,
    options: DriverOptions,
    onEvict: (handle: Handle) => boolean,
    memory: SharedMemory | null,
  ): ShardPool {
    const parts = memory === null ? {} : { shared: memory };
    return new ShardPool(driver.type, checkMade(driver, driver.create({ ...options, onEvict }, parts)));
  }

  static attach(driver: PoolDriver, shared: unknown, onEvict: (handle: Handle) => boolean): ShardPool {
    return new ShardPool(driver.type, checkMade(driver, driver.attach(shared as SharedPool, { onEvict })));
  }

  /** Bytes of pages in use. */
  get bytesUsed(): number {
    return this.pool.totalBytes;
  }

  /** As {@link Pool.heldBytes}. */
  get bytesHeld(): number {
    return this.pool.heldBytes;
  }

  /** Gives back memory behind the last page in use, where it can be cut off. Bytes that may still be touched. */
  cutEnd(): number {
    this.pool.cutEnd();
    return this.#bytes.byteLength;
  }

  /** Where the first byte of an object lies. */
  offsetOf(handle: number): number {
    this.open(handle);
    return this.#span.offset;
  }

  /** Bytes of the open object. */
  get objectBytes(): number {
    return this.#span.size + this.#span.size2;
  }

  /** Says which object the next calls are about. */
  open(handle: number): void {
    this.pool.locate(handle as Handle, this.#span);
  }

  /** Copies into the open object, to `at`. */
  write(at: number, source: Uint8Array, start: number, end: number): void {
    const span = this.#span;
    if (span.size2 === 0) {
      copyBytes(source, start, end, this.#bytes, span.offset + at);
      return;
    }
    const first = Math.min(end - start, Math.max(0, span.size - at));
    if (first > 0) copyBytes(source, start, start + first, this.#bytes, span.offset + at);
    if (start + first < end) {
      copyBytes(source, start + first, end, this.#bytes, span.offset2 + at + first - span.size);
    }
  }

  /** Copies `count` bytes from `at` of the open object. */
  read(at: number, count: number, target: Uint8Array, targetAt: number): void {
    const span = this.#span;
    if (span.size2 === 0) {
      copyBytes(this.#bytes, span.offset + at, span.offset + at + count, target, targetAt);
      return;
    }
    const first = Math.min(count, Math.max(0, span.size - at));
    if (first > 0) copyBytes(this.#bytes, span.offset + at, span.offset + at + first, target, targetAt);
    if (first < count) {
      const from = span.offset2 + at + first - span.size;
      copyBytes(this.#bytes, from, from + count - first, target, targetAt + first);
    }
  }

  /** Whether the open object has the bytes `[start, start + count)` of another array at `at`. */
  equals(at: number, bytes: Uint8Array, start: number, count: number): boolean {
    for (let i = 0; i < count; i++) if (this.#bytes[this.#byteAt(at + i)] !== bytes[start + i]) return false;
    return true;
  }

  /** Four bytes of the open object, as a number. */
  writeWord(at: number, word: number): void {
    for (let i = 0; i < 4; i++) this.#bytes[this.#byteAt(at + i)] = word >>> (8 * i);
  }

  readWord(at: number): number {
    let word = 0;
    for (let i = 0; i < 4; i++) word |= this.#bytes[this.#byteAt(at + i)] << (8 * i);
    return word;
  }

  #byteAt(at: number): number {
    const { offset, size, offset2 } = this.#span;
    return at < size ? offset + at : offset2 + at - size;
  }

  close(): void {
    this.pool.close();
    countOpenPools(this.type, -1);
  }
}
