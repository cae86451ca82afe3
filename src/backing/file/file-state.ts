import { crc32, ThreadLock, ThreadRegistry, ZbudError } from "../../base/index.ts";
import { faultOf } from "../system.ts";
import { type IndexKey, IndexTable } from "./index-table.ts";
import {
  F_BUDGET,
  F_BUDGET_AT,
  type IndexWords,
  OPEN,
  W_CLOSED,
  W_GENERATION,
  W_LOCK,
  W_STORE_NUMBER,
  W_UNDER_WAY,
} from "./index-words.ts";
import type { RecordIo } from "./io.ts";

/** What a thread needs to know to take part. */
export interface FileSettings {
  readonly path: string;
  readonly timeoutMs: number;
  readonly maxInFlightBytes: number;
  /** 0: no bound. */
  readonly maxWriteBytesPerSecond: number;
}

/** A file store as one thread has it: the open file, the shared index, and the lock around it. */
export class FileState {
  readonly settings: FileSettings;
  readonly io: RecordIo;
  readonly file: number;
  readonly words: IndexWords;
  readonly table: IndexTable;
  readonly member: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Whether this thread's store was closed. */
  isClosed = false;
  readonly #registry: ThreadRegistry;
  readonly #lock: ThreadLock;

  /** @throws {ZbudError} `EBUSY` if 127 threads use the index already. */
  constructor(settings: FileSettings, io: RecordIo, file: number, words: IndexWords, clock: () => number) {
    this.settings = settings;
    this.io = io;
    this.file = file;
    this.words = words;
    this.clock = clock;
    this.table = new IndexTable(words);
    this.#registry = new ThreadRegistry(words.header, words.registryAt);
    this.member = this.#registry.enter();
    if (this.member === 0) {
      throw new ZbudError(
        "EBUSY",
        "127 threads use this file store already; close it in one of them, or call threadGone(threadId) for each that has ended",
      );
    }
    this.#lock = new ThreadLock(words.header, W_LOCK, this.member, this.#registry, () =>
      this.table.repair((member) => this.isGone(member)),
    );
  }

  /** Does something with the lock held. After an exception whoever comes next repairs first. */
  readonly locked = <Result>(act: () => Result): Result => {
    this.#lock.acquire();
    let result: Result;
    try {
      result = act();
    } catch (error) {
      this.#lock.abandon();
      throw error;
    }
    this.#lock.release();
    return result;
  };

  isGone(member: number): boolean {
    return member === 0 || (member !== this.member && this.#registry.isGone(member));
  }

  threadGone(threadId: number): void {
    this.#registry.tellGone(threadId);
    this.recover();
  }

  /** Repairs what the thread left half done whose place this one took, if there was one. */
  takeOver(): void {
    if (this.#registry.inherits) this.recover();
  }

  /** Whether no other thread that lives has a place. */
  get isAlone(): boolean {
    return this.#registry.taken().every((member) => member === this.member || this.isGone(member));
  }

  /** Frees what threads that are gone were writing, and then their members. How many there were. */
  recover(): number {
    const gone = this.#registry.taken().filter((member) => this.isGone(member));
    if (gone.length === 0 && !this.#registry.inherits) return 0;
    this.#registry.inherits = false;
    this.locked(() => {
      // One that died with the lock is found by whoever takes that.
      if (this.words.header[W_UNDER_WAY] > 0) this.table.repair((member) => this.isGone(member));
    });
    for (const member of gone) this.#registry.leave(member);
    return gone.length;
  }

  leave(): void {
    this.#registry.leave(this.member);
  }

  /** Whether calls are answered with ECLOSED: this thread's store or the owner's was closed. */
  get ended(): boolean {
    return this.isClosed || Atomics.load(this.words.header, W_CLOSED) !== OPEN;
  }

  /** What calls are answered with from then on. */
  closedError(): ZbudError {
    return new ZbudError("ECLOSED", `the file store ${this.settings.path} was closed`);
  }

  get storeNumber(): number {
    return this.words.header[W_STORE_NUMBER] >>> 0;
  }

  /** The same in all threads, and another one whenever what is in the store is not what was left in it. */
  get id(): string {
    const generation = this.words.header[W_GENERATION] >>> 0;
    return `file ${this.storeNumber}${generation === 0 ? "" : `.${generation}`}`;
  }

  /** Adds to a counter. The caller holds the lock. */
  count(counter: number, by = 1): void {
    this.words.numbers[counter] += by;
  }

  indexKey(k0: number, k1: number, prefix: Uint8Array): IndexKey {
    return { k0, k1, prefix: prefix.length === 0 ? 0 : crc32(prefix) | 0 };
  }

  /** Bytes that records of `bytes` take in the file. */
  span(bytes: number): number {
    const { unitBytes } = this.words.geometry;
    return Math.ceil(bytes / unitBytes) * unitBytes;
  }

  positionOf(unit: number): number {
    const { dataOffset, unitBytes } = this.words.geometry;
    return dataOffset + unit * unitBytes;
  }

  /**
   * Takes bytes from the budget of a second, which fills up evenly and holds a second's worth; a larger record
   * needs it full and leaves a debt. The caller holds the lock.
   */
  takeBudget(bytes: number): boolean {
    const { maxWriteBytesPerSecond: rate } = this.settings;
    if (rate === 0) return true;
    const { numbers } = this.words;
    const now = this.clock();
    // A clock that was set back gives nothing.
    const elapsedMs = Math.max(0, now - numbers[F_BUDGET_AT]);
    const filled = Math.min(rate, numbers[F_BUDGET] + (elapsedMs / 1000) * rate);
    numbers[F_BUDGET_AT] = now;
    numbers[F_BUDGET] = filled;
    if (filled < Math.min(bytes, rate)) return false;
    numbers[F_BUDGET] = filled - bytes;
    return true;
  }

  fault(what: string, cause: unknown): ZbudError {
    return faultOf(`${this.settings.path}: ${what}`, cause);
  }

  timeout(what: string): ZbudError {
    const { path, timeoutMs } = this.settings;
    return new ZbudError("ETIMEDOUT", `${path}: ${what} did not end within ${timeoutMs} ms`);
  }
}

/**
 * For the constructors of backing stores that are opened by a function.
 *
 * @throws {ZbudError} `EINVAL` if a user called one.
 */
export function stateOf(state: unknown, how: string): FileState {
  if (state instanceof FileState) return state;
  throw new ZbudError("EINVAL", `there is no file to work with yet: open it with ${how}, instead of new`);
}
