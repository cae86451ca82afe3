import { builtin, ZbudError } from "../base/index.ts";
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

/** Numbers of errors. */
const INTERRUPTED = 4;
const NOT_SUPPORTED = 95;

/** Room that is taken at a time where signals keep interrupting. */
const ROOM_STEP_BYTES_MIN = 2 ** 16;
/** Times that something is tried which a signal may interrupt. */
const TRIES = 8;

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

  /** The whole pages of the machine in a range of a buffer, as bytes from its start; null if there is none. */
  wholePages(buffer: ArrayBufferLike, from: number, to: number): [number, number] | null {
    const { pageBytes } = this;
    const shift = Number(this.#libc.address(buffer) % BigInt(pageBytes));
    const start = Math.ceil((from + shift) / pageBytes) * pageBytes - shift;
    const end = Math.floor((to + shift) / pageBytes) * pageBytes - shift;
    return start < end ? [start, end] : null;
  }

  /**
   * Gives memory of no file back: it reads as zeros from then on, and is taken anew where it is touched.
   *
   * @param from - bytes from the start of the buffer, where a page of the machine begins.
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
    const { allocate } = this.#libc;
    if (allocate === undefined) return this.#preallocate(file, bytes);
    // A signal undoes what a call has done so far, and a profiler sends one each millisecond: then in parts.
    let step = bytes;
    for (let done = 0; done < bytes; ) {
      const part = Math.min(step, bytes - done);
      const error = allocate(file, BigInt(offset + done), BigInt(part));
      if (error === 0) done += part;
      else if (error === INTERRUPTED) step = Math.max(Math.ceil(step / 2), ROOM_STEP_BYTES_MIN);
      else return false;
    }
    return true;
  }

  /** Whether a file system can set room aside. Where it cannot, the C library may write zeros over what is there. */
  canAllocate(file: number, offset: number, bytes: number): boolean {
    const { fallocate, allocate } = this.#libc;
    if (fallocate === undefined || allocate === undefined) return true;
    for (let tries = 0; tries < TRIES; tries++) {
      if (fallocate(file, 0, BigInt(offset), BigInt(bytes)) === 0) return true;
    }
    // One that has no room refuses as well.
    const error = allocate(file, BigInt(offset), BigInt(bytes));
    return error !== 0 && error !== NOT_SUPPORTED;
  }

  #preallocate(file: number, bytes: number): boolean {
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

  /** A text that macOS has under a name; empty if it has none. */
  textOf(name: string): string {
    const bytes = new Uint8Array(this.#struct.buffer);
    bytes.fill(0);
    new TextEncoder().encodeInto(name, bytes.subarray(0, 63));
    this.#struct.setBigInt64(64, 64n, true);
    const at = this.#structAddress;
    if (this.#libc.sysctl?.(at, at + 128n, at + 64n) !== 0) return "";
    return new TextDecoder("latin1").decode(bytes.subarray(128, bytes.indexOf(0, 128)));
  }
}

const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

let boot: string | undefined;

/**
 * What tells one start of the machine from another: memory between processes does not outlive it.
 *
 * @throws {ZbudError} `ENOTSUP`, `EACCES` where it cannot be known.
 */
export function bootId(): string {
  boot ??= readBootId();
  return boot;
}

function readBootId(): string {
  if (globalThis.process.platform === "darwin") return systemOf().textOf("kern.bootsessionuuid");
  try {
    return builtin<typeof import("node:fs")>("node:fs")?.readFileSync(BOOT_ID_FILE, "latin1").trim() ?? "";
  } catch (cause) {
    const isDenied = (cause as NodeJS.ErrnoException).code === "ERR_ACCESS_DENIED";
    const why = isDenied
      ? `which Node does not permit here: with --permission, add --allow-fs-read=${BOOT_ID_FILE}`
      : "which cannot be read here; leave the name out: shared: true shares among the threads of one process";
    throw new ZbudError(
      isDenied ? "EACCES" : "ENOTSUP",
      `memory between processes needs ${BOOT_ID_FILE}, ${why}`,
      { cause },
    );
  }
}
