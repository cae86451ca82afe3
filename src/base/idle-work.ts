import { builtin } from "./builtin.ts";
import { isLockBusy } from "./errors.ts";

/** Between two looks whether there is something to do. */
const LOOK_MS = 100;
/** The most that one turn takes of the event loop's time. */
const TURN_MS = 1;
/** Between two turns while the event loop has nothing else to do: whatever comes is served in between. */
const PAUSE_MS = 1;
/** How much of the time others may use the event loop, and it still counts as idle. */
const IDLE = 0.1;
/** While they use more, a turn is followed by a rest of so many times its length: 5 % of the time at most. */
const RESTS = 19;
/** A turn that took longer was interrupted by other programs, as far as it did. */
const TURN_MS_COUNTED = 4;

/** Work that nobody waits for. */
export interface IdleWork {
  /**
   * Does some of it, in pieces that are much shorter than a millisecond, until about `end`, by `performance.now()`.
   *
   * @returns false: there is nothing to do now. Then it is asked again in a tenth of a second: cheap, and without a lock.
   */
  work(end: number): boolean;
  /** It threw, and is let go. A timer has nobody else to tell. */
  failed(error: unknown): void;
}

/** An event loop as {@link IdleTurns} sees it. */
export interface Loop {
  now(): number;
  /** How much of the time since the last call it was in use, 0 to 1; 1 where the platform does not tell. */
  usage(): number;
  /** Calls after so many ms, once. Gives what ends it. */
  later(call: () => void, ms: number): () => void;
}

/** When work is done in the pauses of an event loop. What is worked on is held weakly. */
export class IdleTurns {
  readonly #loop: Loop;
  readonly #works: Set<WeakRef<IdleWork>> = new Set();
  #stop: (() => void) | null = null;
  /** How much of the time others use the event loop, as an average over the last {@link LOOK_MS}. */
  #others = 1;
  /** How long the last turn took, and when it ended. */
  #turnMs = 0;
  #turnEnd = 0;

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  add(work: IdleWork): void {
    this.#works.add(new WeakRef(work));
    if (this.#stop !== null) return;
    // What was before does not count.
    this.#loop.usage();
    this.#turnEnd = this.#loop.now();
    this.#turnMs = 0;
    this.#others = 1;
    this.#wait(LOOK_MS);
  }

  delete(work: IdleWork): void {
    for (const each of this.#works) if (each.deref() === work) this.#works.delete(each);
    if (this.#works.size > 0) return;
    this.#stop?.();
    this.#stop = null;
  }

  #wait(ms: number): void {
    this.#stop = this.#loop.later(() => this.#turn(), ms);
  }

  #turn(): void {
    const loop = this.#loop;
    const start = loop.now();
    // Since the last turn began: what was not that turn is others' doing.
    const passed = start - this.#turnEnd + this.#turnMs;
    const share = loop.usage() - this.#turnMs / passed;
    this.#others += (share - this.#others) * Math.min(1, passed / LOOK_MS);
    const end = start + TURN_MS;
    let isMore = false;
    for (const each of this.#works) if (loop.now() >= end || this.#asked(each, end)) isMore = true;
    this.#turnEnd = loop.now();
    this.#turnMs = this.#turnEnd - start;
    if (this.#works.size === 0) this.#stop = null;
    else if (!isMore) this.#wait(LOOK_MS);
    else this.#wait(this.#others <= IDLE ? PAUSE_MS : restAfter(this.#turnMs));
  }

  /** Asks one that is still there. One that fails is let go. */
  #asked(each: WeakRef<IdleWork>, end: number): boolean {
    const work = each.deref();
    try {
      if (work !== undefined) return work.work(end) && this.#works.has(each);
    } catch (error) {
      // Who is stopped within a lock goes on some time.
      if (isLockBusy(error)) return false;
      work?.failed(error);
    }
    this.#works.delete(each);
    return false;
  }
}

function restAfter(turnMs: number): number {
  return Math.max(PAUSE_MS, RESTS * Math.min(turnMs, TURN_MS_COUNTED));
}

function later(call: () => void, ms: number): () => void {
  const timer: unknown = setTimeout(call, ms);
  // Only Node's timers have it.
  (timer as { unref?: () => void }).unref?.();
  return () => clearTimeout(timer as NodeJS.Timeout);
}

function usageOf(): () => number {
  const hooks = builtin<typeof import("node:perf_hooks")>("node:perf_hooks");
  const look = hooks?.performance.eventLoopUtilization;
  if (look === undefined) return () => 1;
  let last = look();
  return () => {
    const now = look();
    const { active, idle } = look(now, last);
    last = now;
    return active + idle > 0 ? active / (active + idle) : 1;
  };
}

let turns: IdleTurns | undefined;

/**
 * Has work done in the pauses of this thread's event loop from now on, until {@link stopWorking}: a millisecond at a time, at
 * most 5 % of the time unless the event loop is idle. One timer for all, which keeps no process alive; the work is held
 * weakly, so whoever calls keeps it.
 */
export function workWhenIdle(work: IdleWork): void {
  turns ??= new IdleTurns({ now: () => performance.now(), usage: usageOf(), later });
  turns.add(work);
}

/** Ends what {@link workWhenIdle} began. */
export function stopWorking(work: IdleWork): void {
  turns?.delete(work);
}
