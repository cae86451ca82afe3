/// <reference lib="esnext.disposable" preserve="true" />
import {
  checkNames,
  clockOption,
  copyBytes,
  inspectAsText,
  integerOption,
  nextTurn,
  type Size,
  signalOption,
  sizeOption,
  ZbudError,
} from "../base/index.ts";
import { checkKey, checkRecord, contentBytes, RECORD_BYTES_MAX, recordBytes } from "../record/index.ts";
import { describeBacking } from "./describe.ts";
import type { Backing, BackingKey, BackingStats, ReadOptions, StoredEntry, WriteOutcome } from "./types.ts";

/** What {@link MemoryBacking} takes. */
export interface MemoryBackingOptions {
  /**
   * The most bytes of records, with 64 bytes each for a header as in a file: a number, `"64MiB"`, or `"20%"` of what
   * this process may use. Default: no bound.
   */
  readonly maxBytes?: Size;
  /** How long reads and writes take, in ms. Default 0: until the next turn of the event loop. */
  readonly delayMs?: number;
  /** Gives milliseconds since 1970. Default `Date.now`. */
  readonly clock?: () => number;
}

/** A character for each byte, and no two bytes the same one. */
const BYTES_AS_TEXT: TextDecoder = new TextDecoder("latin1");

interface Held {
  readonly record: StoredEntry;
  /** Its write has ended. */
  isWritten: boolean;
}

/**
 * Records in a Map: for tests, and to try things out. It keeps them on the heap, uncompressed bytes apart, so
 * there is nothing to gain by it in production. It works in one thread only.
 */
export class MemoryBacking implements Backing {
  static {
    inspectAsText(MemoryBacking.prototype);
  }

  readonly name = "memory";
  readonly id: string = `memory ${globalThis.crypto.getRandomValues(new Uint32Array(2)).join(" ")}`;
  readonly isSync = true;
  readonly maxRecordBytes: number;
  readonly #maxBytes: number;
  readonly #delayMs: number;
  readonly #clock: () => number;
  readonly #held: Map<string, Held> = new Map();
  readonly #writing: Set<Promise<unknown>> = new Set();
  readonly #count = { written: 0, bytesWritten: 0, read: 0, bytesRead: 0, deleted: 0, refused: 0 };
  #records = 0;
  #bytes = 0;
  #bytesInFlight = 0;
  /** The last write had no room, and nothing was deleted since. */
  #isFull = false;
  #isClosed = false;

  /** @throws {ZbudError} `EINVAL` naming the option that is not what it should be. */
  constructor(options: MemoryBackingOptions = {}) {
    checkNames("a store in memory", options, ["maxBytes", "delayMs", "clock"]);
    const { maxBytes, delayMs = 0, clock } = options;
    this.#maxBytes =
      maxBytes === undefined ? Number.POSITIVE_INFINITY : sizeOption("maxBytes", maxBytes, 1, 2 ** 40);
    this.#delayMs = integerOption("delayMs", delayMs, 0, 2 ** 27);
    this.#clock = clockOption(clock);
    this.maxRecordBytes = Math.min(RECORD_BYTES_MAX, this.#maxBytes);
  }

  write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    for (const record of records) checkRecord(record);
    const begun = records.map((record) => this.#begin(record));
    const writing = this.#later(() =>
      begun.map((one) => (typeof one === "object" && "held" in one ? this.#commit(one) : one)),
    );
    this.#writing.add(writing);
    return writing.finally(() => this.#writing.delete(writing));
  }

  refuses(bytes: number): boolean {
    return bytes > this.maxRecordBytes || this.#bytes + this.#bytesInFlight + bytes > this.#maxBytes;
  }

  writeSync(record: StoredEntry): WriteOutcome {
    checkRecord(record);
    const begun = this.#begin(record);
    return typeof begun === "object" && "held" in begun ? this.#commit(begun) : begun;
  }

  async read(key: BackingKey, options: ReadOptions = {}): Promise<StoredEntry | null> {
    const signal = signalOption("read", options);
    const record = this.readSync(key);
    signal?.throwIfAborted();
    await this.#later(() => undefined);
    signal?.throwIfAborted();
    return record;
  }

  readSync(key: BackingKey): StoredEntry | null {
    const name = this.#nameOf(key);
    const held = this.#held.get(name);
    if (held === undefined) return null;
    const { record, isWritten } = held;
    if (record.expiresAt !== 0 && record.expiresAt <= this.#clock()) {
      if (isWritten) this.#drop(name);
      return null;
    }
    this.#count.read++;
    this.#count.bytesRead += recordBytes(record);
    return copyOf(record);
  }

  has(key: BackingKey): boolean {
    return this.#held.has(this.#nameOf(key));
  }

  delete(key: BackingKey): void {
    if (this.#drop(this.#nameOf(key))) this.#count.deleted++;
  }

  clear(): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed());
    this.#count.deleted += this.#records;
    this.#held.clear();
    this.#isFull = false;
    this.#records = 0;
    this.#bytes = 0;
    return Promise.resolve();
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw closed();
    await Promise.all(this.#writing);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#writing);
  }

  /** Begins the {@link close} and does not wait for it: a fault is lost. `await using` waits. */
  [Symbol.dispose](): void {
    void this.close().catch(() => undefined);
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  stats(): BackingStats {
    const { written, bytesWritten, read, bytesRead, deleted, refused } = this.#count;
    return {
      records: this.#records,
      bytesUsed: this.#bytes,
      maxBytes: this.#maxBytes,
      maxRecords: Number.POSITIVE_INFINITY,
      fullOf: this.#isFull ? "bytes" : null,
      memoryBytes: this.#bytes + this.#bytesInFlight,
      bytesInFlight: this.#bytesInFlight,
      writes: written,
      bytesWritten,
      reads: read,
      bytesRead,
      deletions: deleted,
      drops: 0,
      writesRefused: refused,
      writesFailed: 0,
      readsFailed: 0,
      readsDamaged: 0,
      isDown: false,
    };
  }

  /** What it holds, in a line. */
  toString(): string {
    return describeBacking("MemoryBacking", this.#isClosed, this.stats());
  }

  #nameOf(key: BackingKey): string {
    checkKey(key);
    if (this.#isClosed) throw closed();
    return nameOf(key.k0, key.k1, key.prefix);
  }

  #begin(record: StoredEntry): WriteOutcome | { name: string; held: Held } {
    if (this.#isClosed) return closed();
    const name = nameOf(record.k0, record.k1, record.bytes.subarray(0, record.prefixLength));
    const bytes = recordBytes(record);
    this.#drop(name);
    this.#isFull = this.#bytes + this.#bytesInFlight + bytes > this.#maxBytes;
    const refusal = bytes > this.maxRecordBytes ? "EFBIG" : "ENOSPC";
    if (bytes > this.maxRecordBytes || this.#isFull) {
      this.#count.refused++;
      return refusal;
    }
    const held: Held = { record: copyOf(record), isWritten: false };
    this.#held.set(name, held);
    this.#bytesInFlight += bytes;
    return { name, held };
  }

  #commit({ name, held }: { name: string; held: Held }): WriteOutcome {
    const bytes = recordBytes(held.record);
    this.#bytesInFlight -= bytes;
    this.#count.written++;
    this.#count.bytesWritten += bytes;
    if (this.#held.get(name) !== held) return "ECANCELED";
    held.isWritten = true;
    this.#records++;
    this.#bytes += bytes;
    return "ok";
  }

  /** True: there was a record, and not only a write under way. */
  #drop(name: string): boolean {
    const held = this.#held.get(name);
    this.#held.delete(name);
    if (held?.isWritten !== true) return false;
    this.#isFull = false;
    this.#records--;
    this.#bytes -= recordBytes(held.record);
    return true;
  }

  #later<Result>(act: () => Result): Promise<Result> {
    return new Promise((resolve) => {
      const end = (): void => resolve(act());
      if (this.#delayMs === 0) nextTurn(end);
      else setTimeout(end, this.#delayMs);
    });
  }
}

function copyOf(record: StoredEntry): StoredEntry {
  const length = contentBytes(record);
  // Not by `slice`, which of a Buffer is a view.
  const bytes = new Uint8Array(length);
  copyBytes(record.bytes, 0, length, bytes, 0);
  return {
    k0: record.k0,
    k1: record.k1,
    bytes,
    prefixLength: record.prefixLength,
    headLength: record.headLength,
    storedLength: record.storedLength,
    length: record.length,
    codec: record.codec,
    sameFilled: record.sameFilled,
    fill0: record.sameFilled ? record.fill0 : 0,
    fill1: record.sameFilled ? record.fill1 : 0,
    expiresAt: record.expiresAt,
    aux: record.aux,
    aux2: record.aux2,
    stamp: record.stamp,
  };
}

function nameOf(k0: number, k1: number, prefix: Uint8Array): string {
  return `${k0} ${k1} ${BYTES_AS_TEXT.decode(prefix)}`;
}

function closed(): ZbudError {
  return new ZbudError("ECLOSED", "the backing store in memory was closed");
}
