import { show, ZbudError } from "./errors.ts";
import { engineIdOfThread, type Identity, identify, NO_NUMBER, startOfThread } from "./thread-identity.ts";
import { type Places, placesOf } from "./thread-places.ts";

/**
 * Who works on a shared buffer: a table of threads in it. A thread takes a place there and gets a *member*, a
 * number that it leaves in locks and marks; others find out by the member whether it still lives.
 *
 * A member is `turn * PLACES + place`, and a place's turn grows whenever its thread goes. So a member never comes
 * back (before 2^23 threads had the place): once gone, always gone, whatever happens between two looks.
 *
 * One place, 8 words:
 *
 *   word 0   turn << 2 | state: VACANT, ENTERING or TAKEN. Written by compare-exchange only.
 *   word 1   the system's number of the thread (Linux), or NO_NUMBER where there is none
 *   word 2   when that thread started, in clock ticks, modulo 2^32: numbers are used again, pairs are not
 *   word 3   the engine's number of the thread (`threadId` of node:worker_threads) + 1, or 0
 *   word 4   the member that somebody said is gone
 *   word 5   1: it only looks, and leaves to the others what one of them is to do
 *
 * Words 1 to 3 are those of the member in word 0 while that says TAKEN.
 *
 * In memory that processes share, numbers of threads say nothing, since containers count their own. There a thread also
 * has the place's first byte locked in the file that the memory is (see {@link Places}), and a member without that
 * lock is gone: the system takes it away from whoever ends, and from nobody who is stopped. There word 1 is the number of
 * the process, as that sees it itself, and words 1 and 3 are for people to read, see {@link ThreadRegistry.living}.
 */
const PLACE_WORDS = 8;
/** Places in a table, and so threads at one buffer at a time. Place 0 is nobody's. */
export const PLACES = 128;
/** Words of the table. */
export const REGISTRY_WORDS: number = PLACES * PLACE_WORDS;

const STATE = 0;
const NUMBER = 1;
const STARTED = 2;
const ENGINE_ID = 3;
const SAID_GONE = 4;
const LOOKS = 5;

const VACANT = 0;
const ENTERING = 1;
const TAKEN = 2;
/** A member is below 2^30, so that a lock's word can hold it beside a bit. */
const TURN_MASK = 2 ** 23 - 1;

/**
 * Makes sure that something is the number of one thread. -1, which a worker has when it has ended, would be that
 * of every thread of a browser.
 *
 * @throws {ZbudError} `EINVAL`.
 */
export function checkThreadId(threadId: number): void {
  if (Number.isSafeInteger(threadId) && threadId >= 0) return;
  throw new ZbudError(
    "EINVAL",
    `threadGone takes the threadId that a worker had while it ran, an integer from 0, not ${show(threadId)}: keep worker.threadId before it exits, since it is -1 afterwards; in browsers, workers have no such number`,
  );
}

/** A thread of some process, as it noted itself. */
export interface NotedThread {
  /** Of its process. Containers count processes each for itself. 0: it comes or goes at this moment. */
  readonly pid: number;
  /** As node:worker_threads counts the threads of a process: 0 is the main one. */
  readonly threadId: number;
}

let isLooking = false;

/** Opens something in `act` as one that only looks: what one of the threads is to do by itself it leaves to the others. */
export function lookingOnly<T>(act: () => T): T {
  isLooking = true;
  try {
    return act();
  } finally {
    isLooking = false;
  }
}

/** The table of threads at `words[at]…`, as one of them sees it. */
export class ThreadRegistry {
  readonly #words: Int32Array;
  readonly #at: number;
  /** Of memory that processes share. */
  readonly #places: Places | undefined;
  /** Of this thread, where the system tells of the others only. */
  #own = 0;
  /**
   * Whether {@link enter} took the place of a thread that is gone, until that is repaired which it left half done: by
   * the caller, with what the other dead left, whose places are still taken.
   */
  inherits = false;
  /** Whether {@link enter} was called within {@link lookingOnly}. */
  looks = false;

  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
    this.#places = placesOf(words.buffer);
  }

  /** Whether it is of memory that processes share. */
  get isOfProcesses(): boolean {
    return this.#places !== undefined;
  }

  /**
   * Takes a place for the calling thread: a vacant one, or else that of a thread that is gone.
   *
   * A thread that dies in here costs the table one place, unless processes share it.
   *
   * @returns its member, a positive number; or 0 if all places are those of threads that are not known to be gone.
   */
  enter(): number {
    this.looks = isLooking;
    if (this.#places !== undefined) return this.#enterLocked(this.#places);
    const me = identify();
    for (let place = 1; place < PLACES; place++) {
      const state = this.#stateAt(place);
      if ((state & 3) === VACANT && this.#take(place, state, state, me)) return memberOf(state, place);
    }
    for (let place = 1; place < PLACES; place++) {
      const state = this.#stateAt(place);
      if ((state & 3) !== TAKEN || !this.isGone(memberOf(state, place))) continue;
      // The next turn, so that the member before counts as gone wherever it is named.
      const next = nextTurnOf(state >> 2);
      if (!this.#take(place, state, next, me)) continue;
      this.inherits = true;
      return memberOf(next, place);
    }
    return 0;
  }

  /** Whoever has a place locked is the only one to write its words. */
  #enterLocked(places: Places): number {
    for (let place = 1; place < PLACES; place++) {
      if (!places.take(this.#byteOf(place))) continue;
      const state = this.#stateAt(place);
      const isLeft = (state & 3) === VACANT;
      const turn = isLeft ? state >> 2 : nextTurnOf(state >> 2) >> 2;
      if (!isLeft) this.inherits = true;
      const at = this.#at + place * PLACE_WORDS;
      Atomics.store(this.#words, at + NUMBER, globalThis.process?.pid ?? 0);
      Atomics.store(this.#words, at + ENGINE_ID, engineIdOfThread());
      Atomics.store(this.#words, at + LOOKS, Number(this.looks));
      Atomics.store(this.#words, at + STATE, (turn << 2) | TAKEN);
      this.#own = turn * PLACES + place;
      return this.#own;
    }
    return 0;
  }

  #byteOf(place: number): number {
    return this.#words.byteOffset + 4 * (this.#at + place * PLACE_WORDS);
  }

  #stateAt(place: number): number {
    return Atomics.load(this.#words, this.#at + place * PLACE_WORDS + STATE);
  }

  /** @param state - of the place, as it was found. @param vacant - as it is to be entered from. */
  #take(place: number, state: number, vacant: number, { number, started, engineId }: Identity): boolean {
    const at = this.#at + place * PLACE_WORDS;
    const entering = vacant | ENTERING;
    if (Atomics.compareExchange(this.#words, at + STATE, state, entering) !== state) return false;
    Atomics.store(this.#words, at + NUMBER, number);
    Atomics.store(this.#words, at + STARTED, started);
    Atomics.store(this.#words, at + ENGINE_ID, engineId);
    Atomics.store(this.#words, at + LOOKS, Number(this.looks));
    Atomics.compareExchange(this.#words, at + STATE, entering, vacant | TAKEN);
    return true;
  }

  /** Gives a place back. Nothing in the buffer may name the member any more. */
  leave(member: number): void {
    const at = this.#wordOf(member);
    const taken = stateOf(member, TAKEN);
    Atomics.compareExchange(this.#words, at + STATE, taken, nextTurnOf(turnOf(member)));
    this.#unlock(member);
  }

  /** In memory of one process no place is locked. */
  #unlock(member: number): void {
    if (member !== this.#own) return;
    this.#own = 0;
    this.#places?.give(this.#byteOf(member % PLACES));
  }

  /**
   * Whether a member is the one, of the threads that live and do not only look, that does what one of them is to do: true
   * for exactly one, but while one comes or goes.
   */
  isFirst(member: number): boolean {
    if (this.looks) return false;
    const first = this.taken().find((each) => {
      const looks = Atomics.load(this.#words, this.#wordOf(each) + LOOKS) === 1;
      return each === member || !(looks || this.isGone(each));
    });
    return first === member;
  }

  /** Whether all others that live only look, but for so many. */
  isLast(member: number, others: number): boolean {
    const living = this.taken().filter((each) => {
      const looks = Atomics.load(this.#words, this.#wordOf(each) + LOOKS) === 1;
      return each !== member && !looks && !this.isGone(each);
    });
    return living.length <= others;
  }

  /** The members that are taken, by threads alive or not. */
  taken(): number[] {
    const members: number[] = [];
    for (let place = 1; place < PLACES; place++) {
      const state = this.#stateAt(place);
      if ((state & 3) === TAKEN) members.push(memberOf(state, place));
    }
    return members;
  }

  /**
   * The other threads that have a place in memory that processes share: for people, since what each noted of itself is
   * believed. None in memory of one process. Asks the system for each place, some 0.1 ms together.
   */
  living(): NotedThread[] {
    const threads: NotedThread[] = [];
    for (let place = 1; this.#places !== undefined && place < PLACES; place++) {
      if (!this.#places.isTaken(this.#byteOf(place))) continue;
      const isNoted = (this.#stateAt(place) & 3) === TAKEN;
      const at = this.#at + place * PLACE_WORDS;
      const pid = Atomics.load(this.#words, at + NUMBER);
      const threadId = Atomics.load(this.#words, at + ENGINE_ID) - 1;
      threads.push(isNoted ? { pid, threadId } : { pid: 0, threadId: -1 });
    }
    return threads;
  }

  /**
   * Whether the thread of this member is certainly gone. Asks the system, some 40 µs, or one of memory that processes
   * share.
   *
   * A thread that is slow, stopped by a debugger or swapped out is not gone.
   */
  isGone(member: number): boolean {
    const at = this.#wordOf(member);
    const state = Atomics.load(this.#words, at + STATE);
    if (state === stateOf(member, ENTERING)) return false;
    if (state !== stateOf(member, TAKEN)) return true;
    if (this.#places !== undefined) {
      return member !== this.#own && !this.#places.isTaken(this.#byteOf(member % PLACES));
    }
    if (Atomics.load(this.#words, at + SAID_GONE) === member) return true;
    const number = Atomics.load(this.#words, at + NUMBER);
    const noted = Atomics.load(this.#words, at + STARTED);
    const started = number === NO_NUMBER ? "unknown" : startOfThread(number);
    // What was read is of this member if the place still has it; if not, the member is gone.
    if (Atomics.load(this.#words, at + STATE) !== state) return true;
    return started === "gone" || (started !== "unknown" && started !== noted);
  }

  /**
   * Notes that the thread with this number of the engine is gone.
   *
   * @throws {ZbudError} `EINVAL` as {@link checkThreadId}.
   */
  tellGone(engineId: number): void {
    checkThreadId(engineId);
    // Each process counts its threads from 0, and the system tells of all.
    if (this.#places !== undefined) return;
    for (const member of this.taken()) {
      const at = this.#wordOf(member);
      const found = Atomics.load(this.#words, at + ENGINE_ID);
      const isSame = Atomics.load(this.#words, at + STATE) === stateOf(member, TAKEN);
      if (isSame && found === engineId + 1) Atomics.store(this.#words, at + SAID_GONE, member);
    }
  }

  #wordOf(member: number): number {
    return this.#at + (member % PLACES) * PLACE_WORDS;
  }
}

function memberOf(state: number, place: number): number {
  return (state >> 2) * PLACES + place;
}

/** A vacant place's state, after this turn. */
function nextTurnOf(turn: number): number {
  return (((turn + 1) & TURN_MASK) << 2) | VACANT;
}

function turnOf(member: number): number {
  return Math.floor(member / PLACES);
}

function stateOf(member: number, state: number): number {
  return (turnOf(member) << 2) | state;
}
