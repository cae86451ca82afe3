import { isSharedBuffer, show, ZbudError } from "../../base/index.ts";
import { checkKey, checkRecord } from "../record.ts";
import type {
  BackingKey,
  BackingRecord,
  BackingStats,
  ReadOptions,
  SharedBacking,
  WriteOutcome,
} from "../types.ts";
import { pause } from "../wait.ts";
import { flushFile } from "./file-flush.ts";
import { FileReader } from "./file-reader.ts";
import { type FileSettings, FileState } from "./file-state.ts";
import { FileWriter } from "./file-writer.ts";
import { type FileIo, systemIo } from "./io.ts";
import {
  attachSlotWords,
  F_BYTES_READ,
  F_BYTES_WRITTEN,
  F_CLEARED,
  F_DAMAGED,
  F_DELETED,
  F_DROPPED,
  F_READS_FAILED,
  F_RECORDS_READ,
  F_RECORDS_WRITTEN,
  F_REFUSED,
  F_SEQUENCE,
  F_WRITES_FAILED,
  indexMemoryBytes,
  type SlotGeometry,
  W_CLOSED,
  W_RECORDS,
  W_UNDER_WAY,
  W_UNITS_USED,
} from "./layout.ts";
import { type OpenedFile, openFailed, openSlots } from "./open.ts";
import { type FileBackingOptions, readFileOptions } from "./options.ts";
import { type Ownership, takeOwnership } from "./owner.ts";
import { verifySlots } from "./verify.ts";

/** The most bytes of a record, whatever the file's size. */
const RECORD_BYTES_MAX = 2 ** 26;
/** Rows that clear() drops under one hold of the lock. */
const ROWS_AT_A_TIME = 1000;

/** A file store as plain data, to be sent to another thread. */
export interface SharedFileBacking {
  readonly backing: "file";
  readonly settings: FileSettings;
  readonly geometry: SlotGeometry;
  readonly index: SharedArrayBuffer;
  /** Which file it is, so that another one of its name is not taken for it. */
  readonly device: number;
  readonly inode: number;
}

/** Parts that tests put in place of the system's. */
export interface FileParts {
  readonly io?: FileIo;
  readonly now?: () => number;
}

/**
 * Records in one file of fixed length, each in a row of units with a checksum of its own.
 *
 * The index is in shared memory: all threads of the process that `attach` use the file at once. It costs
 * 52 to 56 bytes a record that would fit, and 3 bits a unit. Writes and reads are asynchronous, and several
 * records go to the file in one write; `writeSync` and `readSync` are for those who cannot wait.
 */
export class FileBacking implements SharedBacking {
  readonly name = "file";
  readonly isSync = true;
  readonly recordBytesMax: number;
  /** What was found at opening; null in a thread that attached. */
  readonly opened: OpenedFile | null;
  readonly #state: FileState;
  readonly #writer: FileWriter;
  readonly #reader: FileReader;
  /** Null in a thread that attached. */
  readonly #owner: Ownership | null;
  #closing: Promise<void> | null = null;

  private constructor(state: FileState, owner: Ownership | null, opened: OpenedFile | null) {
    this.#state = state;
    this.#owner = owner;
    this.opened = opened;
    this.#writer = new FileWriter(state);
    this.#reader = new FileReader(state);
    const { unitCount, unitBytes } = state.words.geometry;
    this.recordBytesMax = Math.min(RECORD_BYTES_MAX, unitCount * unitBytes);
  }

  /**
   * Opens a file, or makes one that only its owner may read. While it is open, a note lies beside it
   * (`NAME.owner-…`) that keeps other processes off.
   *
   * @throws {ZbudError} (as a rejection) `EINVAL` for options, or a file that was made with other sizes;
   *   `EBUSY` if it is in use; `EBADMSG` if it is something else's file; `ENOTSUP` if a newer version made it;
   *   `EACCES`, `ENOENT`, `ENOSPC`, `EIO`.
   */
  static async open(path: string, options: FileBackingOptions, parts: FileParts = {}): Promise<FileBacking> {
    if (typeof path !== "string" || path === "" || path.includes("\0")) {
      throw new ZbudError("EINVAL", `a file store is opened by the path of its file, not by ${show(path)}`);
    }
    const read = readFileOptions(options);
    const io = parts.io ?? systemIo();
    const owner = takeOwnership(path);
    let file: number | null = null;
    try {
      file = await io.open(path, true);
      const { words, opened } = await openSlots(path, file, io, read);
      const { timeoutMs, inFlightBytesMax, writeBytesPerSecond } = read;
      const settings = { path, timeoutMs, inFlightBytesMax, writeBytesPerSecond };
      return new FileBacking(new FileState(settings, io, file, words, read.now), owner, opened);
    } catch (error) {
      if (file !== null) io.closeSync(file);
      owner.release();
      throw openFailed(path, error);
    }
  }

  /**
   * The same store in another thread of the process.
   *
   * @param shared - what {@link share} gave.
   * @throws {ZbudError} `EINVAL`, `EBADMSG` if that is something else; `ENOENT` if the file is no longer there;
   *   `ECLOSED`; `EBUSY` if 127 threads use it.
   */
  static attach(shared: SharedFileBacking, parts: FileParts = {}): FileBacking {
    if (shared?.backing !== "file" || !isSharedBuffer(shared.index)) {
      throw new ZbudError("EINVAL", `attach takes what share() of a file store gave, not ${show(shared)}`);
    }
    const { settings, geometry, index, device, inode } = shared;
    const words = attachSlotWords(index, geometry);
    const io = parts.io ?? systemIo();
    let file: number;
    try {
      file = io.openSync(settings.path);
    } catch (error) {
      throw openFailed(settings.path, error);
    }
    try {
      const stat = io.statSync(file);
      if (stat.device !== device || stat.inode !== inode) {
        throw new ZbudError("ENOENT", `${settings.path} is another file by now; open the store anew`);
      }
      const state = new FileState(settings, io, file, words, parts.now ?? Date.now);
      if (state.ended) {
        state.leave();
        throw state.closedError();
      }
      return new FileBacking(state, null, null);
    } catch (error) {
      io.closeSync(file);
      throw error;
    }
  }

  share(): SharedFileBacking {
    const { settings, words, io, file } = this.#live();
    const { device, inode } = io.statSync(file);
    return { backing: "file", settings, geometry: words.geometry, index: words.buffer, device, inode };
  }

  write(records: readonly BackingRecord[]): Promise<WriteOutcome[]> {
    for (const record of records) checkRecord(record);
    return this.#writer.write(records, this.recordBytesMax);
  }

  writeSync(record: BackingRecord): WriteOutcome {
    checkRecord(record);
    return this.#writer.writeSync(record, this.recordBytesMax);
  }

  async read(key: BackingKey, options: ReadOptions = {}): Promise<BackingRecord | null> {
    checkKey(key);
    options.signal?.throwIfAborted();
    return await this.#reader.read(key, options.signal);
  }

  readSync(key: BackingKey): BackingRecord | null {
    checkKey(key);
    return this.#reader.readSync(key);
  }

  has(key: BackingKey): boolean {
    checkKey(key);
    const state = this.#live();
    const indexKey = state.indexKey(key);
    return state.locked(() => state.table.find(indexKey, { row: 0, sequence: 0, start: 0, bytes: 0 }));
  }

  delete(key: BackingKey): void {
    checkKey(key);
    const state = this.#live();
    const indexKey = state.indexKey(key);
    state.locked(() => {
      if (state.table.remove(indexKey)) state.count(F_DELETED);
    });
  }

  async clear(): Promise<void> {
    const state = this.#live();
    const { numbers } = state.words;
    const last = state.locked(() => {
      numbers[F_CLEARED] = numbers[F_SEQUENCE];
      return numbers[F_CLEARED];
    });
    // Nobody finds them any more; their room is given back a part at a time.
    const more = (): boolean =>
      state.locked(() => {
        for (let count = 0; count < ROWS_AT_A_TIME; count++) {
          const row = state.table.oldest();
          if (row === 0 || state.table.sequenceOf(row) > last) return false;
          state.table.removeLive(row);
          state.count(F_DELETED);
        }
        return true;
      });
    while (more()) await new Promise((resolve) => setImmediate(resolve));
  }

  async flush(): Promise<void> {
    const state = this.#live();
    if (!(await this.#writer.drain())) throw state.timeout("a write before the flush");
    if (this.#state.isClosed) throw state.closedError();
    await flushFile(state, false);
  }

  /**
   * Flushes, and closes the store in all threads, if this is the one that opened it; another thread only
   * leaves it.
   *
   * @throws {ZbudError} (as a rejection) `ETIMEDOUT` if a write never ends: the file then counts as in use
   *   until the process ends. Other codes: the file is closed, and the next opening takes it for unclean.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Frees what threads that are gone were writing. Nothing depends on it but their room in the file. */
  recover(): void {
    this.#live().recover();
  }

  /** Tells that the thread of this number (`threadId`) has ended, for systems that do not show it. */
  threadGone(threadId: number): void {
    this.#live().tellGone(threadId);
  }

  stats(): BackingStats {
    const { header, numbers, geometry } = this.#state.words;
    const { unitBytes, unitCount } = geometry;
    return {
      records: header[W_RECORDS],
      bytesUsed: header[W_UNITS_USED] * unitBytes,
      bytesMax: unitCount * unitBytes,
      memoryBytes: indexMemoryBytes(geometry) + this.#state.settings.inFlightBytesMax,
      bytesInFlight: this.#writer.bytesInFlight,
      recordsWritten: numbers[F_RECORDS_WRITTEN],
      bytesWritten: numbers[F_BYTES_WRITTEN],
      recordsRead: numbers[F_RECORDS_READ],
      bytesRead: numbers[F_BYTES_READ],
      recordsDeleted: numbers[F_DELETED],
      recordsDropped: numbers[F_DROPPED],
      writesRefused: numbers[F_REFUSED],
      writesFailed: numbers[F_WRITES_FAILED],
      readsFailed: numbers[F_READS_FAILED],
      recordsDamaged: numbers[F_DAMAGED],
      isDown: this.#writer.isDown,
    };
  }

  /**
   * Walks the whole index and checks it, with the lock held: for tests.
   *
   * @throws {ZbudError} `ECORRUPT` naming what does not hold.
   */
  verify(): void {
    const state = this.#live();
    state.locked(() => verifySlots(state.words));
  }

  #live(): FileState {
    if (this.#state.ended) throw this.#state.closedError();
    return this.#state;
  }

  async #close(): Promise<void> {
    const state = this.#state;
    const { header } = state.words;
    if (this.#owner !== null) state.locked(() => Atomics.store(header, W_CLOSED, 1));
    state.isClosed = true;
    const hasEnded = await this.#writer.drain();
    if (!hasEnded) throw state.timeout("a write before the close");
    let failure: unknown;
    if (this.#owner !== null) {
      await this.#othersEnd();
      try {
        await flushFile(state, true);
      } catch (error) {
        failure = error;
      }
    }
    state.leave();
    state.io.closeSync(state.file);
    this.#owner?.release();
    if (failure !== undefined) throw failure;
  }

  /** Waits for writes of other threads: after the file is given up, nobody may write into it. */
  async #othersEnd(): Promise<void> {
    const state = this.#state;
    const start = performance.now();
    for (let wait = 1; Atomics.load(state.words.header, W_UNDER_WAY) > 0; wait = Math.min(2 * wait, 100)) {
      await pause(wait);
      if (wait > 50) state.recover();
      if (performance.now() - start > state.settings.timeoutMs) {
        throw state.timeout("a write of another thread before the close");
      }
    }
  }
}
