/** What threads write down of their calls, in shared memory. */

import type { ZbudPool } from "../../src/drivers/zbud/index.ts";
import type { Call } from "./pool-linearizer.ts";

/** The most objects of one history. */
export const OBJECTS = 32;

/** What a worker needs to play its part. */
export interface HistoryPlan {
  /** URL of a module with the pool, instrumented. */
  module: string;
  shared: ReturnType<ZbudPool["share"]>;
  control: Int32Array;
  threads: number;
  rounds: number;
  /** Calls of one thread in one history. */
  calls: number;
  seed: number;
  log: SharedArrayBuffer;
  /** By the object's name. */
  handles: SharedArrayBuffer;
  /** By the object's name: 0 not there, 1 for anybody to free, 2 withdrawn. */
  published: SharedArrayBuffer;
}

const WORDS = 6;
const RESULTS = ["ENOSPC", "ENOMEM", "freed", "EBADF"] as const;

/** One history: `calls` calls of each thread. */
export class Log {
  readonly #words: Int32Array;
  readonly #threads: number;
  readonly #calls: number;

  constructor(buffer: SharedArrayBuffer, threads: number, calls: number) {
    this.#words = new Int32Array(buffer);
    this.#threads = threads;
    this.#calls = calls;
  }

  static bytesOf(threads: number, calls: number): number {
    return threads * calls * WORDS * 4;
  }

  write(thread: number, index: number, { called, returned, op, result }: Omit<Call, "thread">): void {
    const isAlloc = "alloc" in op;
    const isPlaced = typeof result !== "string";
    this.#words.set(
      [
        called,
        returned,
        isAlloc ? op.alloc : 0,
        isAlloc ? op.object : op.free,
        isPlaced ? result.page : -1 - RESULTS.indexOf(result),
        isPlaced ? result.offset : 0,
      ],
      (thread * this.#calls + index) * WORDS,
    );
  }

  read(): Call[] {
    const history: Call[] = [];
    for (let at = 0; at < this.#threads * this.#calls; at++) {
      const [called, returned, size, object, where, offset] = this.#words.subarray(
        at * WORDS,
        (at + 1) * WORDS,
      );
      history.push({
        thread: Math.floor(at / this.#calls),
        called,
        returned,
        op: size > 0 ? { alloc: size, object } : { free: object },
        result: where >= 0 ? { page: where, offset } : RESULTS[-1 - where],
      });
    }
    return history;
  }
}
