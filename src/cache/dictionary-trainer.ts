import { noteFallback } from "../base/index.ts";
import { paysNoLonger } from "./dictionary-gain.ts";
import {
  COLLECTING,
  collectAgain,
  countOf,
  currentOf,
  dictionaryOf,
  fail,
  isTraining,
  type Learned,
  note,
  OFF,
  publish,
  READY,
  STATE,
  stateOf,
  TRAINING,
  trialOf,
  withState,
} from "./dictionary-state.ts";
import { type LearningThread, startLearning, startWorker } from "./learning.ts";
import type { CacheThreads, SharedState } from "./shared-state.ts";
import type { Learning } from "./train-dictionary.ts";

/** Words of the shared state memory. */
const SAMPLES_TAKEN = 3;
const BYTES_TAKEN = 4;
/** How often whoever learns gave a sign of life, and its member. */
const SIGNS = 10;
const LEARNER = 11;

/** Longer values compress well by themselves. */
const SAMPLE_BYTES_MAX = 8192;
const SAMPLE_BYTES_MIN = 64;
/** When it is learned again, one of so many values is a sample; each time of twice as many, until kinds that take turns are all among them. */
const SAMPLE_EVERY = 4;
const EVERY_DOUBLED = 6;

/** What a `set` may take for learning, where no worker thread does it. */
const SLICE_MS = 1;
/** Learning takes some 0.2 s in a worker thread. After so long without a sign, another thread learns as well. */
const PATIENCE_MS = 10_000;
/** How often it is looked whether it is. */
const WATCH_EVERY = 64;
/** If so much of the cache is full of values without a dictionary, after so long, the setting thread learns as well. */
const PRESSED_FULLNESS = 1 / 4;
const PRESSED_MS = 100;

/** Whether a value of so many bytes is one that a dictionary is for. */
function isSample(length: number): boolean {
  return length >= SAMPLE_BYTES_MIN && length <= SAMPLE_BYTES_MAX;
}

/**
 * Collects the first values that are set, by all threads, in shared memory; has a worker thread learn from
 * them what they have in common, so that no event loop waits for it; and says when the result is there.
 *
 * Where no worker can be had, or it fails, the thread learns itself: within its calls of `offer`, 1 ms at most at
 * a time, and never for longer than it was left alone before. So a thread that does nothing but sets takes twice as
 * long for them meanwhile, and any other notices nothing.
 *
 * So it does where the worker is late, as the machine is busy, and a quarter of the cache is full: the first of the two
 * results is used.
 *
 * All this begins again when the dictionary saves little by now (`dictionary-gain.ts`), as values have changed. It stays in
 * use meanwhile.
 *
 * Threads and processes may be killed at any time. One that is killed while it copies a sample leaves a place of length
 * 0, which is passed over. If the one that learns is gone, or gives no sign of life, one of the others learns in its
 * stead. Times are each thread's own: the clocks of processes need not agree.
 */
export class DictionaryTrainer {
  readonly #sharedState: SharedState;
  /** The last state seen; from `ready` on nothing is to be done. */
  #state = 0;
  /** One of so many values is a sample; 0: all, since it is the first time. */
  #every = 0;
  #offered = 0;
  /** Which trial this thread learns for. */
  #trial = 0;
  #worker: LearningThread | null = null;
  /** What this thread learns itself. */
  #steps: Learning | null = null;
  /** What came of it, until it is published. */
  #learned: Learned | undefined;
  /** When the last slice ended, and how long it was. */
  #sliceEnd = 0;
  #sliceMs = 0;
  #watched = 0;
  /** Who learned and how many signs of life there were when it was looked last, and since when that has been so. */
  #learner = 0;
  #signs = 0;
  #since = 0;
  #closed = false;

  constructor(sharedState: SharedState) {
    this.#sharedState = sharedState;
  }

  /** For caches with dictionaries from the start, of which the last one is used, or none at all. */
  settle(dictionaries: readonly Uint8Array[], threads: CacheThreads): void {
    const { words, shape } = this.#sharedState;
    const word = Atomics.load(words, STATE);
    if (stateOf(word) !== COLLECTING || countOf(word) > 0) return;
    if (dictionaries.some(({ length }) => length > shape.maxDictionaryBytes)) return;
    const next = withState(word, dictionaries.length === 0 ? OFF : TRAINING);
    if (Atomics.compareExchange(words, STATE, word, next) !== word) return;
    // One slot stays free, so that another one can be learned.
    const taken = dictionaries.slice(-Math.max(1, shape.maxDictionaries - 1));
    publish(this.#sharedState, taken, trialOf(word), threads);
  }

  /** The shared bytes of a dictionary, by default that which new values get; null if there is none (yet). */
  dictionary(slot?: number): Uint8Array | null {
    return dictionaryOf(this.#sharedState, slot);
  }

  /** How many there are, in the slots from 0 on. */
  get count(): number {
    return countOf(Atomics.load(this.#sharedState.words, STATE));
  }

  /** Whether nothing is to be done in this thread's eyes: then `offer` need not be called. */
  get settled(): boolean {
    return this.#state >= READY;
  }

  /** The slot of the dictionary that new values get as of now; -1: there is none. */
  look(): number {
    const word = Atomics.load(this.#sharedState.words, STATE);
    this.#state = stateOf(word);
    const trial = trialOf(word);
    this.#every = trial === 0 ? 0 : SAMPLE_EVERY << Math.min(trial - 1, EVERY_DOUBLED);
    if (this.settled) this.#forget();
    return currentOf(word);
  }

  /** Counts what a value takes without the dictionary and with it; when that pays no longer, it is learned again. */
  weighed(length: number, plain: number, stored: number, threads: CacheThreads): void {
    const { words, shape } = this.#sharedState;
    if (shape.maxSampleCount === 0 || !isSample(length)) return;
    if (paysNoLonger(words, plain, stored)) collectAgain(this.#sharedState, threads);
  }

  /** It could not be taken into use yet, for this reason: the next {@link offer} is followed by another try. */
  postpone(reason: unknown): void {
    note(this.#sharedState, reason);
    this.#state = TRAINING;
  }

  /** Takes a value that is being set as a sample, if one is wanted; or helps with learning, if this thread is to. */
  offer(bytes: Uint8Array, length: number, threads: CacheThreads): void {
    if (this.#state !== COLLECTING) {
      this.#learned ??= this.#worker?.learned();
      if (this.#learned === undefined && this.#steps !== null) this.#slice(this.#steps);
      if (this.#learned !== undefined) this.#publish(this.#learned, threads);
      else if (this.#steps === null && ++this.#watched % WATCH_EVERY === 0) this.#watch(threads);
      return;
    }
    if (!isSample(length) || (this.#every > 0 && ++this.#offered % this.#every !== 0)) return;
    const { words, samples, places, shape } = this.#sharedState;
    const at = Atomics.add(words, BYTES_TAKEN, length);
    const index = Atomics.add(words, SAMPLES_TAKEN, 1);
    if (at + length > shape.maxSampleBytes || index >= shape.maxSampleCount) {
      this.#train(threads);
      return;
    }
    for (let i = 0; i < length; i++) samples[at + i] = bytes[i];
    words[places + 2 * index] = at;
    Atomics.store(words, places + 2 * index + 1, length);
  }

  /**
   * Goes on with what this thread learns itself, without a set, until `end` by `performance.now()`. Whether there is more
   * to do now.
   */
  work(threads: CacheThreads, end: number): boolean {
    while (this.#steps !== null) {
      if (performance.now() >= end) return true;
      this.#sliceMs = 0;
      this.#slice(this.#steps);
    }
    if (this.#learned !== undefined) this.#publish(this.#learned, threads);
    return false;
  }

  /** Leaves what this thread began to the next one that sets a value; a worker that it started ends by itself. */
  close(member: number): void {
    const { words } = this.#sharedState;
    this.#closed = true;
    const learns = this.#worker !== null || this.#steps !== null || this.#learned !== undefined;
    const word = Atomics.load(words, STATE);
    if (learns && Atomics.load(words, LEARNER) === member && isTraining(word, this.#trial)) {
      Atomics.compareExchange(words, STATE, word, withState(word, COLLECTING));
    }
    this.#forget();
  }

  #forget(): void {
    this.#worker = null;
    this.#steps = null;
    this.#learned = undefined;
  }

  /** Whether the trial goes on that this thread learns for. */
  #isTraining(): boolean {
    return isTraining(Atomics.load(this.#sharedState.words, STATE), this.#trial);
  }

  #train(threads: CacheThreads): void {
    const { words, buffer, shape } = this.#sharedState;
    this.#state = TRAINING;
    const word = Atomics.load(words, STATE);
    const next = withState(word, TRAINING);
    if (stateOf(word) !== COLLECTING || Atomics.compareExchange(words, STATE, word, next) !== word) return;
    this.#trial = trialOf(word);
    // Until it is noted, the learner before counts, who is gone or closed the cache, or has learned before.
    Atomics.store(words, LEARNER, threads.member);
    this.#looked(threads.member, Atomics.add(words, SIGNS, 1) + 1);
    try {
      this.#worker = startWorker(buffer, shape, next, (worker, reason) =>
        this.#ended(worker, reason, threads),
      );
    } catch (error) {
      // No permission for workers, or no memory for one.
      note(this.#sharedState, error);
    }
    if (this.#worker !== null) return;
    noteFallback("dictionary-worker");
    this.#learn();
  }

  #publish(learned: Learned, threads: CacheThreads): void {
    publish(this.#sharedState, learned, this.#trial, threads);
    this.#forget();
  }

  /** The worker has ended. If it has not done what it was there for, this thread does. */
  #ended(worker: LearningThread, reason: unknown, threads: CacheThreads): void {
    if (this.#worker !== worker) return;
    this.#learned = worker.learned();
    if (this.#learned !== undefined) {
      try {
        this.#publish(this.#learned, threads);
      } catch {
        // Another thread keeps the lock. The next set tries again, and is told if it cannot either.
      }
      return;
    }
    this.#worker = null;
    if (!this.#isTraining()) return;
    note(this.#sharedState, reason);
    this.#learn();
  }

  #learn(): void {
    const sharedState = this.#sharedState;
    const use = (steps: Learning): void => {
      // It may have come late: then the cache was closed, or another thread did it.
      if (!this.#closed && this.#isTraining()) this.#steps = steps;
    };
    const failed = (reason: unknown): void => fail(sharedState, this.#trial, reason);
    startLearning(sharedState, use, failed);
  }

  #slice(steps: Learning): void {
    const sharedState = this.#sharedState;
    const start = performance.now();
    if (start - this.#sliceEnd < this.#sliceMs) return;
    try {
      let step = steps.next();
      while (!step.done && performance.now() - start < SLICE_MS) step = steps.next();
      if (step.done) {
        this.#steps = null;
        this.#learned = step.value;
      }
    } catch (error) {
      this.#steps = null;
      fail(sharedState, this.#trial, error);
    }
    this.#sliceEnd = performance.now();
    this.#sliceMs = this.#sliceEnd - start;
    Atomics.add(sharedState.words, SIGNS, 1);
  }

  /** Takes over from a thread that is gone, or gives no sign of life. */
  #watch(threads: CacheThreads): void {
    const { words } = this.#sharedState;
    const word = Atomics.load(words, STATE);
    if (stateOf(word) !== TRAINING) return;
    this.#trial = trialOf(word);
    const learner = Atomics.load(words, LEARNER);
    const signs = Atomics.load(words, SIGNS);
    if (learner !== this.#learner || signs !== this.#signs) this.#looked(learner, signs);
    if (this.#worker !== null && this.#every === 0 && this.#isPressed(threads)) {
      this.#learn();
      return;
    }
    const isGone = learner !== threads.member && threads.isGone(learner);
    if (!isGone && performance.now() - this.#since < PATIENCE_MS) return;
    if (Atomics.compareExchange(words, LEARNER, learner, threads.member) !== learner) return;
    const what = isGone ? "is gone" : `gave no sign of life for ${PATIENCE_MS} ms`;
    note(this.#sharedState, `the thread that learned it ${what}`);
    this.#looked(threads.member, signs);
    this.#forget();
    this.#learn();
  }

  /** Whether the worker is late: pages that are filled without a dictionary leave fewer rows, for as long as the cache lives. */
  #isPressed(threads: CacheThreads): boolean {
    return performance.now() - this.#since > PRESSED_MS && threads.fullness() > PRESSED_FULLNESS;
  }

  #looked(learner: number, signs: number): void {
    this.#learner = learner;
    this.#signs = signs;
    this.#since = performance.now();
  }
}
