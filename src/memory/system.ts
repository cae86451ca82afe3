import { builtin } from "../base/index.ts";
import { type Libc, libc } from "./libc.ts";

/** Parts of a file that are mapped begin at multiples of this, which every system's page divides. */
export const MAP_UNIT: number = 2 ** 16;

const PROTECTION_READ_WRITE = 3;
const MAP_SHARED_FIXED = 0x11;
const MAP_FAILED = 2n ** 64n - 1n;

/** The numbers of a system for what the calls of {@link Libc} take. */
interface Numbers {
  readonly getLock: number;
  readonly setLock: number;
  readonly writeLock: number;
  readonly noLock: number;
  /** Bytes of a `struct flock` at which its members begin. */
  readonly at: { readonly type: number; readonly start: number; readonly length: number };
}
const LINUX: Numbers = {
  getLock: 36, // F_OFD_GETLK
  setLock: 37, // F_OFD_SETLK
  writeLock: 1,
  noLock: 2,
  at: { type: 0, start: 8, length: 16 },
};
const APPLE: Numbers = {
  getLock: 92, // F_OFD_GETLK
  setLock: 90, // F_OFD_SETLK
  writeLock: 3,
  noLock: 2,
  at: { type: 20, start: 0, length: 8 },
};
const APPLE_PUNCH_HOLE = 99;
const APPLE_PREALLOCATE = 42;

const FLOCK_EXCLUSIVE = 2;
const FLOCK_NO_WAIT = 4;

/** Advice to the system about memory. */
const DONT_NEED = 4;
const REMOVE = 9;
const APPLE_FREE = 5;

const STRUCT_BYTES = 256;

let system: System | undefined;

/** What the library asks of the operating system beyond Node's modules. One for each thread. */
export function systemOf(): System {
  system ??= new System(libc());
  return system;
}

export class System {
  /** Bytes of a page of the machine: what is taken and given back is whole ones. */
  readonly pageBytes: number;
  readonly #libc: Libc;
  readonly #isApple: boolean;
  readonly #numbers: Numbers;
  /** A structure that calls take. Longer than what the collector would move. */
  readonly #struct: DataView = new DataView(new ArrayBuffer(STRUCT_BYTES));
  readonly #structAddress: bigint;

  constructor(calls: Libc) {
    this.#libc = calls;
    this.pageBytes = calls.getpagesize();
    this.#isApple = globalThis.process.platform === "darwin";
    this.#numbers = this.#isApple ? APPLE : LINUX;
    this.#structAddress = calls.address(this.#struct.buffer);
  }

  /** Puts a part of a file where a buffer lies. `offset` and `bytes` are multiples of {@link MAP_UNIT}. False: it cannot. */
  map(buffer: SharedArrayBuffer, file: number, offset: number, bytes: number): boolean {
    const address = this.#libc.address(buffer);
    const flags = MAP_SHARED_FIXED;
    const at = this.#libc.mmap(address, BigInt(bytes), PROTECTION_READ_WRITE, flags, file, BigInt(offset));
    return at !== MAP_FAILED && at !== -1n;
  }

  /**
   * Gives memory of no file back: it reads as zeros from then on, and is taken anew where it is touched.
   *
   * @param from - bytes from the start of the buffer, which begins at a page of the machine.
   */
  discard(buffer: ArrayBufferLike, from: number, bytes: number): boolean {
    const advice = this.#isApple ? APPLE_FREE : DONT_NEED;
    return this.#libc.madvise(this.#libc.address(buffer) + BigInt(from), BigInt(bytes), advice) === 0;
  }

  /** Gives the room of a part of a file back, wherever it is mapped. */
  punch(buffer: SharedArrayBuffer, from: number, bytes: number, file: number, offset: number): boolean {
    if (!this.#isApple) {
      return this.#libc.madvise(this.#libc.address(buffer) + BigInt(from), BigInt(bytes), REMOVE) === 0;
    }
    this.#struct.setBigInt64(0, 0n, true);
    this.#struct.setBigInt64(8, BigInt(offset), true);
    this.#struct.setBigInt64(16, BigInt(bytes), true);
    return this.#libc.fcntl(file, APPLE_PUNCH_HOLE, this.#structAddress) === 0;
  }

  /** Takes room for a part of a file, which may have it already. False: there is none. */
  allocate(file: number, offset: number, bytes: number): boolean {
    if (this.#libc.allocate !== undefined) {
      return this.#libc.allocate(file, BigInt(offset), BigInt(bytes)) === 0;
    }
    // fstore_t: all of it, from the end of what the file has.
    this.#struct.setUint32(0, 4, true);
    this.#struct.setInt32(4, 3, true);
    this.#struct.setBigInt64(8, 0n, true);
    this.#struct.setBigInt64(16, BigInt(bytes), true);
    return this.#libc.fcntl(file, APPLE_PREALLOCATE, this.#structAddress) === 0;
  }

  /** Locks a file or folder until it is unlocked, closed, or the process ends. False: another has it. */
  tryLockWhole(file: number): boolean {
    return this.#libc.flock(file, FLOCK_EXCLUSIVE | FLOCK_NO_WAIT) === 0;
  }

  /**
   * Locks one byte of a file for this open file until {@link unlock}, the file's close or the end of the process.
   * False: another open file has it.
   */
  tryLock(file: number, byte: number): boolean {
    const { setLock, writeLock } = this.#numbers;
    return this.#lockCall(file, setLock, writeLock, byte);
  }

  unlock(file: number, byte: number): void {
    const { setLock, noLock } = this.#numbers;
    this.#lockCall(file, setLock, noLock, byte);
  }

  /**
   * Whether another open file has one of these bytes locked. A call that fails says yes: nobody counts as dead by mistake.
   *
   * @param bytes - 0: all from `byte` on.
   */
  isLocked(file: number, byte: number, bytes = 1): boolean {
    const { getLock, writeLock, noLock, at } = this.#numbers;
    if (!this.#lockCall(file, getLock, writeLock, byte, bytes)) return true;
    return this.#struct.getInt16(at.type, true) !== noLock;
  }

  #lockCall(file: number, command: number, type: number, byte: number, bytes = 1): boolean {
    const { at } = this.#numbers;
    for (let word = 0; word < 32; word += 8) this.#struct.setBigInt64(word, 0n, true);
    this.#struct.setInt16(at.type, type, true);
    this.#struct.setBigInt64(at.start, BigInt(byte), true);
    this.#struct.setBigInt64(at.length, BigInt(bytes), true);
    return this.#libc.fcntl(file, command, this.#structAddress) === 0;
  }
}

/** What tells one start of the machine from another: memory between processes does not outlive it. */
export function bootId(): string {
  const fs = builtin<typeof import("node:fs")>("node:fs");
  try {
    return fs?.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim() ?? "";
  } catch {
    // When it started, to the minute: what a clock that is put right changes it by.
    const os = builtin<typeof import("node:os")>("node:os");
    return `${Math.round((Date.now() / 1000 - (os?.uptime() ?? 0)) / 60)}`;
  }
}
