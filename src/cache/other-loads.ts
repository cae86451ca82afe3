import type { Leases, OtherLoad } from "./leases.ts";

/** How long until the next look: an eighth of the wait so far, which is what a load may seem to take longer. */
const STEP_SHARE = 1 / 8;
const STEP_MS_MIN = 1;
const STEP_MS_MAX = 50;
/** How often it is looked whether the thread that loads lives. */
const LIVES_MS = 50;

/** The time until the next look. */
export interface Pause {
  readonly timer: { ref?(): unknown; unref?(): unknown };
  /** Looks at once. */
  end(): void;
}

/** Who waits for a load of another thread. */
export interface Waiter {
  /** Calls that need it: while there are none, it does not keep the process alive. */
  readonly waiting: number;
  readonly isForced: boolean;
  readonly controller: AbortController;
  pause: Pause | null;
}

/**
 * Waits for loads of other threads, of this process and others. Nobody is told when one ends, since no signal crosses
 * processes: whoever waits looks again and again, at one word of shared memory.
 */
export class OtherLoads {
  readonly #leases: Leases;
  readonly #timeoutMs: number;
  /** When members were last seen to live. */
  readonly #seen: Map<number, number> = new Map();

  /** @param timeoutMs - how long one load is waited for. */
  constructor(leases: Leases, timeoutMs: number) {
    this.#leases = leases;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Waits for a load, until it is over or takes too long, its thread is gone, or the waiter is forced or aborted.
   *
   * @returns whether it came to its end: what it stored is in memory, and if that is nothing, it would come to nothing
   *   again. Else somebody is to load instead.
   */
  async hasEnded(load: OtherLoad, waiter: Waiter): Promise<boolean> {
    const { signal } = waiter.controller;
    for (const start = performance.now(); !signal.aborted && !waiter.isForced; ) {
      const fate = this.#leases.fateOf(load);
      if (fate !== "loading") return fate === "ended";
      const now = performance.now();
      const waited = now - start;
      if (waited >= this.#timeoutMs) {
        this.#leases.overtake(load);
        return false;
      }
      if (waited >= LIVES_MS && this.#isGone(load.member, now)) return false;
      const step = Math.max(
        STEP_MS_MIN,
        Math.min(waited * STEP_SHARE, STEP_MS_MAX, this.#timeoutMs - waited),
      );
      await pause(waiter, step);
    }
    return false;
  }

  /** Asks the system once for all who wait for the same thread. */
  #isGone(member: number, now: number): boolean {
    if (now - (this.#seen.get(member) ?? -LIVES_MS) < LIVES_MS) return false;
    this.#seen.delete(member);
    if (this.#leases.freeIfGone(member)) return true;
    this.#seen.set(member, now);
    return false;
  }
}

function pause(waiter: Waiter, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer as number);
      waiter.pause = null;
      resolve();
    };
    const timer: unknown = setTimeout(end, ms);
    waiter.pause = { timer: timer as Pause["timer"], end };
    if (waiter.waiting === 0) waiter.pause.timer.unref?.();
  });
}
