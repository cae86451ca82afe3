import { ZbudError } from "./errors.ts";
import { type LockSteps, lockStepsOf } from "./lock-memory.ts";
import { placesOf } from "./thread-places.ts";
import type { ThreadRegistry } from "./thread-registry.ts";

/** The bit of the lock's word that says: somebody may sleep. */
const SLEEPER = 1;
/** Looks at a lock before it counts as busy. */
const BUSY_LOOKS = 2000;
/** Looks at a held lock before going to sleep. */
const SPINS = 100;
/** Of them, those that come as often as the lock's user says. */
const FIRST_SPINS = 32;
/** Pauses between two looks: about a microsecond. */
const PAUSES = 40;
/** How long a sleep lasts before the holder is looked at. */
const SLEEP_MS = 10;
/** The same where processes share the lock: whoever releases it wakes the threads of its own process only. */
const SLEEP_MS_PROCESSES = 0.5;
/** How long a thread that must not sleep tries. */
const SPIN_MS_MAX = 100;
/** How long a thread waits for a holder that does not release and is not seen to be dead. */
const WAIT_MS_MAX = 10_000;

/**
 * A lock for threads that can die at any instruction, in one word of a shared buffer.
 *
 *   0                    free
 *   member << 1            held by the thread of this member, nobody sleeps
 *   member << 1 | SLEEPER  held, and somebody may sleep: whoever releases it wakes one
 *
 * Taking a free lock and releasing one that nobody waits for are one atomic operation each. A thread that
 * finds the lock held looks again with pauses, which lets the holder, whose caches are warm, go on; then it
 * sleeps. Sleeps are bounded, since a thread may die between releasing and waking.
 *
 * After a bounded sleep the holder is looked at. If its thread is gone, the lock is taken from it in one
 * step, and what it left half done is repaired before anybody else gets in. The thread that repairs may die
 * as well: then it is the dead holder, and the next one repairs from the start.
 */
export class ThreadLock {
  readonly #words: Int32Array;
  readonly #at: number = 0;
  readonly #mine: number = 0;
  readonly #registry: ThreadRegistry;
  readonly #repair: () => void;
  readonly #pause: (() => void) | undefined;
  readonly #firstPauses: number = 0;
  readonly #sleepMs: number;
  /** Byte of the word, in the memory behind `#words`. */
  readonly #byte: number = 0;
  readonly #take: LockSteps["take"];
  readonly #give: LockSteps["give"];

  /**
   * @param at - index of the lock's word.
   * @param member - of the thread that will use this object.
   * @param repair - called with the lock held, after it was taken from a thread that is gone.
   * @param firstPauses - between the first looks at a held lock. Few are best where it is held for longer than
   *   cache lines take from one core to the other; with many, the thread that has the lines goes on for a while.
   */
  constructor(
    words: Int32Array,
    at: number,
    member: number,
    registry: ThreadRegistry,
    repair: () => void,
    firstPauses: number = PAUSES,
  ) {
    this.#words = words;
    this.#at = at | 0;
    this.#mine = member << 1;
    this.#registry = registry;
    this.#repair = repair;
    this.#firstPauses = firstPauses | 0;
    this.#sleepMs = placesOf(words.buffer) === undefined ? SLEEP_MS : SLEEP_MS_PROCESSES;
    this.#byte = (words.byteOffset + at * 4) | 0;
    const { take, give } = lockStepsOf(words);
    this.#take = take;
    this.#give = give;
    this.#pause = (Atomics as { pause?: () => void }).pause;
  }

  /**
   * A thread that holds it already was cut off by an exception (a stack that overflowed) between acquire and
   * release: it gets it again, repaired.
   *
   * @throws {ZbudError} `EAGAIN` after 100 ms where a thread must not block (a browser's main thread), and
   *   after 10 s with one holder that does not release and whose death cannot be seen.
   */
  acquire(): void {
    const take = this.#take;
    if (take(this.#byte, this.#mine) !== 0) this.#acquireHeld();
  }

  /** The caller holds it. */
  release(): void {
    const give = this.#give;
    if (give(this.#byte) !== this.#mine) Atomics.notify(this.#words, this.#at, 1);
  }

  /** Whether somebody has it for longer than a short change takes, and may be stopped. */
  isBusy(): boolean {
    for (let look = 0; look < BUSY_LOOKS; look++) if (Atomics.load(this.#words, this.#at) === 0) return false;
    return true;
  }

  /**
   * For an exception between acquire and release: if this thread holds the lock, the lock counts as held by
   * a dead one from here on, so that whoever comes next repairs first.
   */
  abandon(): void {
    const held = Atomics.load(this.#words, this.#at);
    if ((held & ~SLEEPER) !== this.#mine) return;
    // Member 0 is nobody's, so it is always gone. If a sleeper marks the word meanwhile, that is in it already.
    Atomics.store(this.#words, this.#at, SLEEPER);
    Atomics.notify(this.#words, this.#at, 1);
  }

  #acquireHeld(): void {
    const words = this.#words;
    const at = this.#at;
    const pause = this.#pause;
    for (let spin = 0; spin < SPINS; spin++) {
      const pauses = spin < FIRST_SPINS ? this.#firstPauses : PAUSES;
      if (pause !== undefined) for (let i = 0; i < pauses; i++) pause();
      if (Atomics.load(words, at) === 0 && Atomics.compareExchange(words, at, 0, this.#mine) === 0) return;
    }
    let start = performance.now();
    let holder = 0;
    for (;;) {
      const held = Atomics.load(words, at);
      if (held === 0) {
        // Others may sleep. This thread cannot know, so it answers for them.
        if (Atomics.compareExchange(words, at, 0, this.#mine | SLEEPER) === 0) return;
        continue;
      }
      if (held >> 1 === this.#mine >> 1) {
        this.#repair();
        return;
      }
      if (held >> 1 !== holder) {
        holder = held >> 1;
        start = performance.now();
      }
      const marked = held | SLEEPER;
      if (held !== marked && Atomics.compareExchange(words, at, held, marked) !== held) continue;
      if (this.#sleepsOut(marked, start) && this.#takesFromDead(marked)) return;
    }
  }

  /** Sleeps until woken, for a bounded time. True: the time is over and the lock's word was `held` all along. */
  #sleepsOut(held: number, start: number): boolean {
    const waitedMs = performance.now() - start;
    if (canBlock()) {
      if (waitedMs > WAIT_MS_MAX) {
        throw new ZbudError(
          "EAGAIN",
          "the lock of this pool was not released for 10 s, and its holder is not known to be gone; if a thread ended, call threadGone(threadId), and try again",
        );
      }
      return Atomics.wait(this.#words, this.#at, held, this.#sleepMs) === "timed-out";
    }
    if (waitedMs > SPIN_MS_MAX) {
      throw new ZbudError(
        "EAGAIN",
        "another thread held the lock of this pool for 100 ms, and this thread must not block; try again",
      );
    }
    return true;
  }

  #takesFromDead(held: number): boolean {
    if (!this.#registry.isGone(held >> 1)) return false;
    if (Atomics.compareExchange(this.#words, this.#at, held, this.#mine | SLEEPER) !== held) return false;
    this.#repair();
    return true;
  }
}

let blocks: boolean | undefined;

/** Whether the engine lets this thread sleep. */
function canBlock(): boolean {
  if (blocks === undefined) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0);
      blocks = true;
    } catch {
      blocks = false;
    }
  }
  return blocks;
}
