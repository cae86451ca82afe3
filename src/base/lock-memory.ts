import { noteFallback } from "./fallbacks.ts";
import { sharedBuffer } from "./shared-buffer.ts";

/** The part of the WebAssembly API in use; the language's own library does not declare it. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: Record<string, Record<string, unknown>>) => { exports: unknown };
  Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => LockMemory;
}

/** Memory that WebAssembly reaches as well (a `WebAssembly.Memory`), and that can be sent to other threads. */
export interface LockMemory {
  readonly buffer: SharedArrayBuffer;
}

/** The two steps of a lock on a word of shared memory, which is named by its byte. */
export interface LockSteps {
  /** Writes `mine` if the word is 0. Gives what the word was. */
  take(byte: number, mine: number): number;
  /** Writes 0. Gives what the word was. */
  give(byte: number): number;
}

const PAGE_BYTES = 2 ** 16;
const BYTES_MAX = 2 ** 32;

/**
 * The two steps as WebAssembly: one instruction each where the engine, at this time, makes a call of
 * `Atomics.compareExchange` and `Atomics.exchange`. A lock and an unlock take 8 ns instead of 19.
 */
const STEPS: Uint8Array = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  // types: (i32, i32) -> i32 and (i32) -> i32
  ...[0x01, 0x0c, 0x02, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f, 0x60, 0x01, 0x7f, 0x01, 0x7f],
  // import "" "m": a shared memory of 1 to 65536 pages
  ...[0x02, 0x0a, 0x01, 0x00, 0x01, 0x6d, 0x02, 0x03, 0x01, 0x80, 0x80, 0x04],
  // functions of these types, exported as "t" (take) and "g" (give)
  ...[0x03, 0x03, 0x02, 0x00, 0x01],
  ...[0x07, 0x09, 0x02, 0x01, 0x74, 0x00, 0x00, 0x01, 0x67, 0x00, 0x01],
  ...[0x0a, 0x19, 0x02],
  // take: i32.atomic.rmw.cmpxchg(byte, 0, mine)
  ...[0x0c, 0x00, 0x20, 0x00, 0x41, 0x00, 0x20, 0x01, 0xfe, 0x48, 0x02, 0x00, 0x0b],
  // give: i32.atomic.rmw.xchg(byte, 0)
  ...[0x0a, 0x00, 0x20, 0x00, 0x41, 0x00, 0xfe, 0x41, 0x02, 0x00, 0x0b],
);

const memories = new WeakMap<object, LockMemory>();
let compiled: object | undefined;

/**
 * A shared buffer whose locks are fast, where the platform has what that takes; else a plain one.
 *
 * @param bytes - wanted; the buffer is longer by up to 64 KiB, which cost nothing until they are touched.
 * @throws {ZbudError} `ENOTSUP` where there is no shared memory.
 */
export function lockableBuffer(bytes: number): SharedArrayBuffer {
  return newLockMemory(bytes) ?? plainBuffer(bytes);
}

/** As {@link lockableBuffer}, or undefined where there is only a plain one. It begins at a page of the machine. */
export function newLockMemory(bytes: number): SharedArrayBuffer | undefined {
  const { Memory } = wasm() ?? {};
  if (Memory === undefined || bytes > BYTES_MAX) return undefined;
  const pages = Math.max(1, Math.ceil(bytes / PAGE_BYTES));
  try {
    return adopt(new Memory({ initial: pages, maximum: pages, shared: true }));
  } catch {
    // No shared memory at all, or no more addresses for one that WebAssembly reaches: it takes 10 GiB of them.
    return undefined;
  }
}

function plainBuffer(bytes: number): SharedArrayBuffer {
  const buffer = sharedBuffer(bytes);
  noteFallback("wasm-lock");
  return buffer;
}

/** The memory that a buffer of {@link lockableBuffer} is part of, to be sent along with it; undefined for a plain one. */
export function memoryBehind(buffer: SharedArrayBuffer): LockMemory | undefined {
  return memories.get(buffer);
}

/** The buffer of such a memory, as it came from another thread; undefined if it is something else. */
export function lockableBufferOf(memory: unknown): SharedArrayBuffer | undefined {
  const { Memory } = wasm() ?? {};
  return Memory !== undefined && memory instanceof Memory ? adopt(memory) : undefined;
}

/** The steps for locks in this buffer. */
export function lockStepsOf(words: Int32Array): LockSteps {
  const memory = memories.get(words.buffer);
  const { Module, Instance } = wasm() ?? {};
  if (memory !== undefined && Module !== undefined && Instance !== undefined) {
    try {
      compiled ??= new Module(STEPS);
      const { t: take, g: give } = new Instance(compiled, { "": { m: memory } }).exports as {
        t: LockSteps["take"];
        g: LockSteps["give"];
      };
      return { take, give };
    } catch {
      // A page's policy may forbid it.
      noteFallback("wasm-lock");
    }
  }
  return {
    take: (byte, mine) => Atomics.compareExchange(words, byte >> 2, 0, mine),
    give: (byte) => Atomics.exchange(words, byte >> 2, 0),
  };
}

function wasm(): WebAssemblyApi | undefined {
  return (globalThis as unknown as { WebAssembly?: WebAssemblyApi }).WebAssembly;
}

function adopt(memory: LockMemory): SharedArrayBuffer {
  const { buffer } = memory;
  memories.set(buffer, memory);
  return buffer;
}
