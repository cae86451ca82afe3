/// <reference lib="esnext.disposable" preserve="true" />
import {
  inspectAsText,
  isLockBusy,
  nextTurn,
  pause,
  show,
  signalOption,
  ZbudError,
} from "../../base/index.ts";
import { checkKey, checkRecord, RECORD_BYTES_MAX } from "../../record/index.ts";
import { describeBacking } from "../describe.ts";
import type {
  Backing,
  BackingKey,
  BackingStats,
  FullOf,
  ReadOptions,
  StoredEntry,
  WriteOutcome,
} from "../types.ts";
import { flushFile } from "./file-flush.ts";
import { FileReader } from "./file-reader.ts";
import type { FileState } from "./file-state.ts";
import { FileWriter } from "./file-writer.ts";
import { USERS } from "./header.ts";
import {
  CLOSING,
  ENTRY_BYTES,
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
  FULL_OF_NOTHING,
  type IndexWords,
  indexBytesUsed,
  unitLimit,
  W_CLOSED,
  W_DROPS,
  W_FULL_OF,
  W_PINS,
  W_RECORDS,
  W_ROWS_USED,
  W_UNDER_WAY,
  W_UNITS_USED,
  W_USER,
} from "./index-words.ts";
import type { OpenedFile } from "./open-index.ts";

/** By what the header has in W_FULL_OF. */
const FULL_OF: readonly (FullOf | null)[] = [null, "bytes", "records"];
/** Rows that clear() drops under one hold of the lock. */
const ROWS_AT_A_TIME = 1000;

/** What diagnostics get of an open file. */
export interface FileInside {
  readonly kind: "file";
  /** Calls `work` under the lock of the index. */
  look(work: (words: IndexWords) => void): void;
}

/** A store's right to its file. */
export interface Ownership {
  /** Whether the store ends in all threads of the process when it is closed here. */
  readonly endsAll: boolean;
  /** After the last call: whether nobody else has the file, so that the index is written now. */
  isLast(): boolean;
  /** The file is no longer touched. */
  release(): void;
}

/** Records in an open file, whatever kind of file it is. */
export abstract class RecordFile implements Backing {
  static {
    inspectAsText(RecordFile.prototype);
  }

  abstract readonly name: string;
  readonly id: string;
  readonly isSync = true;
  readonly maxRecordBytes: number;
  /** What was found at opening; null in a thread that attached. */
  readonly opened: OpenedFile | null;
  readonly #state: FileState;
  readonly #writer: FileWriter;
  readonly #reader: FileReader;
  /** Null in a thread that attached. */
  readonly #owner: Ownership | null;
  /** Reads, clears and flushes that are under way: the file stays open for them. */
  readonly #calls: Set<Promise<unknown>> = new Set();
  #closing: Promise<void> | null = null;

  protected constructor(state: FileState, owner: Ownership | null, opened: OpenedFile | null) {
    state.takeOver();
    this.#state = state;
    this.#owner = owner;
    this.opened = opened;
    this.#writer = new FileWriter(state);
    this.#reader = new FileReader(state, this.#writer);
    const { geometry } = state.words;
    // As an empty file would have it.
    const units = unitLimit({ geometry, header: new Int32Array(W_ROWS_USED + 1) });
    this.maxRecordBytes = Math.min(RECORD_BYTES_MAX, units * geometry.unitBytes);
    this.id = state.id;
  }

  get writeRoom(): number {
    const { settings, words } = this.#state;
    const { unitCount, unitBytes } = words.geometry;
    // What is under way can make no room for others: it must leave some in a small file.
    const most = Math.min(settings.maxInFlightBytes, (unitCount * unitBytes) / 2);
    return Math.max(0, most - this.#writer.bytesInFlight);
  }

  get whenFull(): "reject" | "drop" {
    return this.#state.words.header[W_DROPS] === 1 ? "drop" : "reject";
  }

  get findsFlushed(): boolean {
    return this.#state.words.header[W_PINS] === 1;
  }

  write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    for (const record of records) checkRecord(record);
    return this.#writer.write(records, this.maxRecordBytes);
  }

  writeSync(record: StoredEntry): WriteOutcome {
    checkRecord(record);
    return this.#writer.writeSync(record, this.maxRecordBytes);
  }

  claim(user: "cache" | "page store"): void {
    const state = this.live();
    const { header } = state.words;
    const number = USERS.indexOf(user);
    const there = state.locked(() => {
      header[W_USER] ||= number;
      return header[W_USER];
    });
    if (there === number) return;
    throw new ZbudError(
      "EINVAL",
      `${show(state.settings.path)} has the records of a ${USERS[there]}, so a ${user} cannot have it: give the ${user} another file, or remove this one`,
    );
  }

  refuses(bytes: number): boolean {
    return bytes > this.maxRecordBytes || this.#writer.refuses(bytes);
  }

  async read(key: BackingKey, options: ReadOptions = {}): Promise<StoredEntry | null> {
    checkKey(key);
    const signal = signalOption("read", options);
    signal?.throwIfAborted();
    return await this.#noted(this.#reader.read(key, signal));
  }

  readSync(key: BackingKey): StoredEntry | null {
    checkKey(key);
    return this.#reader.readSync(key);
  }

  has(key: BackingKey): boolean {
    checkKey(key);
    const state = this.live();
    const indexKey = state.indexKey(key.k0, key.k1, key.prefix);
    return this.#reader.has(indexKey);
  }

  delete(key: BackingKey): void {
    checkKey(key);
    const state = this.live();
    const indexKey = state.indexKey(key.k0, key.k1, key.prefix);
    state.locked(() => {
      if (!state.table.remove(indexKey)) return;
      state.count(F_DELETED);
      state.words.header[W_FULL_OF] = FULL_OF_NOTHING;
      this.#writer.noteRoom();
    });
  }

  clear(): Promise<void> {
    return this.#noted(this.#clear());
  }

  async #clear(): Promise<void> {
    const state = this.live();
    const { numbers } = state.words;
    const last = state.locked(() => {
      numbers[F_CLEARED] = numbers[F_SEQUENCE];
      state.words.header[W_FULL_OF] = FULL_OF_NOTHING;
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
    while (more()) await new Promise<void>(nextTurn);
  }

  flush(): Promise<void> {
    return this.#noted(this.#flush());
  }

  async #flush(): Promise<void> {
    const state = this.live();
    if (!(await this.#writer.drain())) throw state.timeout("a write before the flush");
    await flushFile(state, false);
  }

  /**
   * Flushes, and closes the store in all threads, if this is the one that opened it; another thread only
   * leaves it. Of a file that processes share, each thread leaves for itself, and the last one flushes. What this
   * thread asked for before comes to its end first.
   *
   * @throws {ZbudError} (as a rejection) `ETIMEDOUT` if a write never ends: the file then counts as in use
   *   until the process ends. Other codes: the file is closed, and the next opening takes it for unclean.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close().catch((error) => {
      // A process is stopped within a lock: this can be called again.
      if (isLockBusy(error)) this.#closing = null;
      throw error;
    });
    return this.#closing;
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
    const { header, numbers, geometry } = this.#state.words;
    const { unitBytes, unitCount, maxRows, roomBytes } = geometry;
    const grows = roomBytes < Number.POSITIVE_INFINITY;
    return {
      records: header[W_RECORDS],
      bytesUsed: header[W_UNITS_USED] * unitBytes + (grows ? 2 * ENTRY_BYTES * header[W_RECORDS] : 0),
      maxBytes: grows ? roomBytes : unitCount * unitBytes,
      maxRecords: maxRows,
      fullOf: FULL_OF[header[W_FULL_OF]],
      memoryBytes: indexBytesUsed(this.#state.words) + this.#state.settings.maxInFlightBytes,
      bytesInFlight: this.#writer.bytesInFlight,
      writes: numbers[F_RECORDS_WRITTEN],
      bytesWritten: numbers[F_BYTES_WRITTEN],
      reads: numbers[F_RECORDS_READ],
      bytesRead: numbers[F_BYTES_READ],
      deletions: numbers[F_DELETED],
      drops: numbers[F_DROPPED],
      writesRefused: numbers[F_REFUSED],
      writesFailed: numbers[F_WRITES_FAILED],
      readsFailed: numbers[F_READS_FAILED],
      readsDamaged: numbers[F_DAMAGED],
      isDown: this.#writer.isDown,
    };
  }

  /** @param name - of the class. */
  protected describe(name: string): string {
    const { settings, ended } = this.#state;
    return describeBacking(`${name} ${show(settings.path)}`, ended, this.stats());
  }

  /** What the file holds, in a line. */
  abstract toString(): string;

  /**
   * For diagnostics.
   *
   * @internal
   */
  inside(): FileInside {
    const state = this.live();
    return { kind: "file", look: (work) => state.locked(() => work(state.words)) };
  }

  /** @throws {ZbudError} `ECLOSED`. */
  protected live(): FileState {
    if (this.#state.ended) throw this.#state.closedError();
    return this.#state;
  }

  async #close(): Promise<void> {
    const state = this.#state;
    const { header } = state.words;
    const owner = this.#owner;
    if (owner?.endsAll) state.locked(() => Atomics.store(header, W_CLOSED, CLOSING));
    state.isClosed = true;
    await Promise.allSettled(this.#calls);
    const hasEnded = await this.#writer.drain();
    if (!hasEnded) throw state.timeout("a write before the close");
    let failure: unknown;
    if (owner?.isLast()) {
      await this.#othersEnd();
      try {
        await flushFile(state, true);
      } catch (error) {
        failure = error;
      }
    }
    owner?.release();
    state.leave();
    state.io.closeSync(state.file);
    if (failure !== undefined) throw failure;
  }

  #noted<Result>(call: Promise<Result>): Promise<Result> {
    const end = (): void => void this.#calls.delete(call);
    this.#calls.add(call);
    call.then(end, end);
    return call;
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
