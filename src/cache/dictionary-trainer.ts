import { noteFallback } from "../base/index.ts";
import { DictionaryState, dictionaryOf, fail, note, publish, STATE, samplesOf } from "./dictionary-state.ts";
import { startLearning, startWorker } from "./learning.ts";
import type { SharedState } from "./shared-state.ts";
import type { Learning } from "./train-dictionary.ts";

/** Words of the shared state memory. */
const SAMPLES_TAKEN = 3;
const BYTES_TAKEN = 4;
/** When whoever learns gave its last sign of life, in milliseconds. */
const ALIVE = 10;

/** Longer values compress well by themselves. */
const SAMPLE_BYTES_MAX = 8192;
const SAMPLE_BYTES_MIN = 64;

/** What a `set` may take for learning, where no worker thread does it. */
const SLICE_MS = 1;
/** Learning takes some 0.2 s in a worker thread. After so long without a sign, its thread is gone. */
const PATIENCE_MS = 10_000;
/** How often it is looked whether it is. */
const WATCH_EVERY = 64;

/**
 * Collects the first values that are set, by all threads, in shared memory; has a worker thread learn from
 * them what they have in common, so that no event loop waits for it; and says when the result is there.
 *
 * Where no worker can be had, or it fails, the thread learns itself: within its calls of `offer`, 1 ms at most at
 * a time, and never for longer than it was left alone before. So a thread that does nothing but sets takes twice as
 * long for them meanwhile, and any other notices nothing.
 *
 * Threads may be killed at any time. One that is killed while it copies a sample leaves a place of length 0, which
 * is passed over. If the one is killed that learns, others notice that it gives no sign of life, and one of them
 * learns in its stead.
 */
export class DictionaryTrainer {
  readonly #sharedState: SharedState;
  /** The last state seen; from `ready` on they are final. */
  #state = 0;
  #worker: object | null = null;
  /** What this thread learns itself. */
  #steps: Learning | null = null;
  /** When the last slice ended, and how long it was. */
  #sliceEnd = 0;
  #sliceMs = 0;
  #watched = 0;
  #closed = false;

  constructor(sharedState: SharedState) {
    this.#sharedState = sharedState;
  }

  /** For caches with a dictionary from the start, or none at all. Nobody else has the memory yet. */
  settle(dictionary: Uint8Array | null): boolean {
    const { words, dictionary: room } = this.#sharedState;
    const { collecting, training, off } = DictionaryState;
    if (dictionary === null) {
      Atomics.compareExchange(words, STATE, collecting, off);
      return true;
    }
    if (dictionary.length > room.length) return false;
    if (Atomics.compareExchange(words, STATE, collecting, training) !== collecting) return false;
    publish(this.#sharedState, dictionary);
    return true;
  }

  /** The shared bytes of the dictionary; null if there is none (yet). */
  dictionary(): Uint8Array | null {
    return dictionaryOf(this.#sharedState);
  }

  /** Whether the state is final in this thread's eyes: then neither `offer` nor `became` need be called. */
  get settled(): boolean {
    return this.#state >= DictionaryState.ready;
  }

  /** True once: when this thread finds that there is a dictionary now. */
  becameReady(): boolean {
    if (this.settled) return false;
    this.#state = Atomics.load(this.#sharedState.words, STATE);
    if (this.settled) this.#steps = null;
    return this.#state === DictionaryState.ready;
  }

  /** It could not be taken into use yet, for this reason: it {@link becameReady} anew. */
  postpone(reason: unknown): void {
    note(this.#sharedState, reason);
    this.#state = DictionaryState.publishing;
  }

  /** Takes a value that is being set as a sample, if one is wanted; or helps with learning, if this thread is to. */
  offer(bytes: Uint8Array, length: number): void {
    if (this.#state !== DictionaryState.collecting) {
      if (this.#steps !== null) this.#slice(this.#steps);
      else if (++this.#watched % WATCH_EVERY === 0) this.#watch();
      return;
    }
    if (length < SAMPLE_BYTES_MIN || length > SAMPLE_BYTES_MAX) return;
    const { words, samples, places, shape } = this.#sharedState;
    const at = Atomics.add(words, BYTES_TAKEN, length);
    const index = Atomics.add(words, SAMPLES_TAKEN, 1);
    if (at + length > shape.maxSampleBytes || index >= shape.maxSampleCount) {
      this.#train();
      return;
    }
    for (let i = 0; i < length; i++) samples[at + i] = bytes[i];
    words[places + 2 * index] = at;
    Atomics.store(words, places + 2 * index + 1, length);
  }

  /** Leaves what this thread began to the next one that sets a value; a worker that it started ends by itself. */
  close(): void {
    const { collecting, training } = DictionaryState;
    this.#closed = true;
    if (this.#worker !== null || this.#steps !== null) {
      Atomics.compareExchange(this.#sharedState.words, STATE, training, collecting);
    }
    this.#worker = null;
    this.#steps = null;
  }

  #train(): void {
    const { words, buffer, shape } = this.#sharedState;
    const { collecting, training } = DictionaryState;
    this.#state = training;
    if (Atomics.compareExchange(words, STATE, collecting, training) !== collecting) return;
    Atomics.store(words, ALIVE, now());
    try {
      this.#worker = startWorker(buffer, shape, (worker, reason) => this.#lost(worker, reason));
    } catch (error) {
      // No permission for workers, or no memory for one.
      note(this.#sharedState, error);
    }
    if (this.#worker !== null) return;
    noteFallback("dictionary-worker");
    this.#learn();
  }

  /** The worker has ended. If it has not done what it was there for, this thread does. */
  #lost(worker: object, reason: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    if (Atomics.load(this.#sharedState.words, STATE) !== DictionaryState.training) return;
    note(this.#sharedState, reason);
    this.#learn();
  }

  #learn(): void {
    const sharedState = this.#sharedState;
    const use = (steps: Learning): void => {
      // It may have come late: then the cache was closed, or another thread did it.
      if (!this.settled && !this.#closed) this.#steps = steps;
    };
    const failed = (reason: unknown): void => fail(sharedState, reason);
    startLearning(samplesOf(sharedState), sharedState.shape.maxDictionaryBytes, use, failed);
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
        publish(sharedState, step.value);
      }
    } catch (error) {
      this.#steps = null;
      fail(sharedState, error);
    }
    this.#sliceEnd = performance.now();
    this.#sliceMs = this.#sliceEnd - start;
    Atomics.store(sharedState.words, ALIVE, now());
  }

  /** Takes over from a thread that is gone. */
  #watch(): void {
    const { words } = this.#sharedState;
    if (Atomics.load(words, STATE) !== DictionaryState.training) return;
    const [alive, time] = [Atomics.load(words, ALIVE), now()];
    if (((time - alive) | 0) < PATIENCE_MS) return;
    if (Atomics.compareExchange(words, ALIVE, alive, time) !== alive) return;
    note(this.#sharedState, `the thread that learned it gave no sign of life for ${PATIENCE_MS} ms`);
    this.#worker = null;
    this.#learn();
  }
}

/** Milliseconds, the same in all threads, modulo 2^32. */
function now(): number {
  return Math.floor((performance.timeOrigin + performance.now()) % 2 ** 32) | 0;
}
