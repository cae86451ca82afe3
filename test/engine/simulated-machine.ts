import type { MachineMemory } from "../../src/base/index.ts";
import { type FollowingCache, MemoryFollower, type MemoryRange } from "../../src/engine/memory-follower.ts";

export const MIB: number = 2 ** 20;

/** A limit that changed. */
export interface Change {
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

export interface SimulatedOptions {
  limitBytes: number;
  range: MemoryRange;
  /** What others have taken at a time, in bytes. */
  others: (ms: number) => number;
  /** Percent; null: nobody counts. */
  pressure?: (ms: number) => number | null;
  /** What the cache takes in a millisecond while it is below its limit. */
  fillPerMs?: number;
  /** Whether its pages go back to the system. */
  givesBack?: boolean;
  /** What it begins with. */
  bytesInUse?: number;
  startBytes?: number;
}

/**
 * A machine, what others take on it, and a cache that fills whatever it may have, with a time of their own that goes on
 * in steps of a millisecond.
 */
export class SimulatedMachine {
  readonly changes: Change[] = [];
  /** The times of all looks. */
  readonly looks: number[] = [];
  /** The least that ever was available. Below zero, the kernel would have killed somebody. */
  leastAvailable: number = Number.POSITIVE_INFINITY;
  isLeader = true;
  /** How many resizes are to throw. */
  faults = 0;
  /** What they throw. */
  fault: Error = new Error("planted");
  openReaders = 0;
  readonly follower: MemoryFollower;
  #now = 0;
  #bytesInUse: number;
  #limitBytes: number;
  #call: { at: number; run: () => void } | null = null;
  readonly #options: SimulatedOptions;

  constructor(options: SimulatedOptions) {
    this.#options = options;
    this.#bytesInUse = options.bytesInUse ?? 0;
    this.#limitBytes = options.startBytes ?? options.range.max;
    const cache: FollowingCache = {
      isLeader: () => this.isLeader,
      usage: () => ({ bytesInUse: this.#bytesInUse, limitBytes: this.#limitBytes }),
      resize: (bytes) => this.#resize(bytes),
    };
    this.follower = new MemoryFollower(options.range, cache, {
      clock: () => this.#now,
      after: (ms, run) => {
        const call = { at: this.#now + ms, run };
        this.#call = call;
        return () => {
          if (this.#call === call) this.#call = null;
        };
      },
      open: () => {
        this.openReaders++;
        return {
          read: () => this.read(),
          close: () => {
            this.openReaders--;
          },
        };
      },
    });
  }

  get now(): number {
    return this.#now;
  }

  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  get availableBytes(): number {
    return this.#options.limitBytes - this.#options.others(this.#now) - this.#bytesInUse;
  }

  get isWaiting(): boolean {
    return this.#call !== null;
  }

  /** The changes since a time. */
  since(ms: number): Change[] {
    return this.changes.filter(({ at }) => at >= ms);
  }

  run(ms: number): this {
    const { fillPerMs = MIB / 8 } = this.#options;
    for (const end = this.#now + ms; this.#now < end; this.#now++) {
      const room = this.#limitBytes - this.#bytesInUse;
      this.#bytesInUse += Math.max(0, Math.min(fillPerMs, room));
      this.leastAvailable = Math.min(this.leastAvailable, this.availableBytes);
      if (this.#call !== null && this.#call.at <= this.#now) {
        const { run } = this.#call;
        this.#call = null;
        run();
      }
    }
    return this;
  }

  read(): MachineMemory {
    this.looks.push(this.#now);
    const some = this.#options.pressure?.(this.#now) ?? null;
    return {
      limitBytes: this.#options.limitBytes,
      availableBytes: Math.max(0, this.availableBytes),
      source: "cgroup2",
      pressure: some === null ? null : { some, full: some / 2 },
    };
  }

  #resize(bytes: number): { limitBytes: number; bytesFreed: number } {
    if (this.faults > 0) {
      this.faults--;
      throw this.fault;
    }
    const bytesFreed = this.#options.givesBack === false ? 0 : Math.max(0, this.#bytesInUse - bytes);
    this.changes.push({ at: this.#now, from: this.#limitBytes, to: bytes });
    this.#bytesInUse -= bytesFreed;
    this.#limitBytes = bytes;
    return { limitBytes: bytes, bytesFreed };
  }
}
