import { copyBytes, type Handle } from "../base/index.ts";
import { countOpenPools, type DriverPool, driverOf, type ZpoolOptions } from "../zpool/index.ts";

/** A pool of one shard, and where its objects lie: bytes are copied by ranges, without views. */
export class ShardPool {
  readonly type: string;
  readonly pool: DriverPool;
  readonly objectBytesMax: number;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Of the object that `open` was called for: where its bytes are. */
  #offset = 0;

  constructor(type: string, pool: DriverPool) {
    this.type = type;
    this.pool = pool;
    this.objectBytesMax = pool.objectBytesMax;
    countOpenPools(type, 1);
  }

  static create(type: string, options: ZpoolOptions, onEvict: (handle: Handle) => boolean): ShardPool {
    return new ShardPool(type, driverOf(type).create(options, onEvict));
  }

  static attach(type: string, shared: unknown, onEvict: (handle: Handle) => boolean): ShardPool {
    return new ShardPool(type, driverOf(type).attach(shared, onEvict));
  }

  /** Bytes of pages in use. */
  get bytesUsed(): number {
    return this.pool.pageCount * this.pool.pageSize;
  }

  /** Says which object the next calls are about. */
  open(handle: number): void {
    const view = this.pool.map(handle as Handle);
    if (this.#bytes.buffer !== view.buffer) this.#bytes = new Uint8Array(view.buffer);
    this.#offset = view.byteOffset;
  }

  /** Copies into the open object, to `at`. */
  write(at: number, source: Uint8Array, start: number, end: number): void {
    copyBytes(source, start, end, this.#bytes, this.#offset + at);
  }

  /** Copies `bytes` bytes from `at` of the open object. */
  read(at: number, bytes: number, target: Uint8Array, targetAt: number): void {
    copyBytes(this.#bytes, this.#offset + at, this.#offset + at + bytes, target, targetAt);
  }

  /** Whether the open object has these bytes at `at`. */
  equals(at: number, bytes: Uint8Array, start: number, count: number): boolean {
    const own = this.#bytes;
    const from = this.#offset + at - start;
    for (let i = start; i < start + count; i++) if (own[from + i] !== bytes[i]) return false;
    return true;
  }

  /** Four bytes of the open object, as a number. */
  writeWord(at: number, word: number): void {
    for (let i = 0; i < 4; i++) this.#bytes[this.#offset + at + i] = word >>> (8 * i);
  }

  readWord(at: number): number {
    let word = 0;
    for (let i = 0; i < 4; i++) word |= this.#bytes[this.#offset + at + i] << (8 * i);
    return word;
  }

  close(): void {
    this.pool.close();
    countOpenPools(this.type, -1);
  }
}
