import { builtin } from "../base/index.ts";
import type { Control } from "./control.ts";
import type { DictionaryJob } from "./learn.ts";

/** Word of the control memory that holds the state. */
const STATE = 1;
const LENGTH = 2;
const SAMPLES_TAKEN = 3;
const BYTES_TAKEN = 4;

/** The states of a dictionary, in their order. Whoever makes a step does it by compare-exchange. */
export const DictionaryState = {
  /** Sets offer their values as samples. */
  collecting: 0,
  /** Enough samples: one thread has them learned from. */
  training: 1,
  /** There is a dictionary. */
  ready: 2,
  /** There is none, and will be none. */
  none: 3,
} as const;

/** Longer values compress well by themselves. */
const SAMPLE_BYTES_MAX = 8192;
const SAMPLE_BYTES_MIN = 64;

/**
 * Collects the first values that are set, by all threads, in shared memory; has a worker thread learn from
 * them what they have in common, so that no event loop waits for it; and says when the result is there.
 *
 * A thread killed while it copies a sample leaves a place of length 0, which the worker passes over. If the
 * worker is killed, there is no dictionary.
 */
export class Learner {
  readonly #control: Control;
  readonly #codec: string;
  /** The last state seen; `ready` and `none` are final. */
  #state = 0;
  #worker: { terminate(): unknown } | null = null;

  constructor(control: Control, codec: string) {
    this.#control = control;
    this.#codec = codec;
  }

  /** For caches with a dictionary from the start, or none at all. Nobody else has the memory yet. */
  settle(dictionary: Uint8Array | null): boolean {
    const { words, dictionary: room } = this.#control;
    const state = DictionaryState.collecting;
    if (dictionary === null) {
      Atomics.compareExchange(words, STATE, state, DictionaryState.none);
      return true;
    }
    if (dictionary.length > room.length) return false;
    if (Atomics.compareExchange(words, STATE, state, DictionaryState.training) !== state) return false;
    publish(this.#control, dictionary);
    return true;
  }

  /** The shared bytes of the dictionary; null if there is none (yet). */
  dictionary(): Uint8Array | null {
    const { words, dictionary } = this.#control;
    if (Atomics.load(words, STATE) !== DictionaryState.ready) return null;
    return dictionary.subarray(0, words[LENGTH]);
  }

  /** Whether the state is final in this thread's eyes: then neither `offer` nor `became` need be called. */
  get settled(): boolean {
    return this.#state >= DictionaryState.ready;
  }

  /** True once: when this thread finds that there is a dictionary now. */
  becameReady(): boolean {
    if (this.settled) return false;
    this.#state = Atomics.load(this.#control.words, STATE);
    return this.#state === DictionaryState.ready;
  }

  /** It could not be taken into use yet: it {@link becameReady} anew. */
  postpone(): void {
    this.#state = DictionaryState.training;
  }

  /** Takes a value that is being set as a sample, if one is wanted. */
  offer(bytes: Uint8Array, length: number): void {
    if (this.#state !== DictionaryState.collecting) return;
    if (length < SAMPLE_BYTES_MIN || length > SAMPLE_BYTES_MAX) return;
    const { words, samples, places, shape } = this.#control;
    const at = Atomics.add(words, BYTES_TAKEN, length);
    const index = Atomics.add(words, SAMPLES_TAKEN, 1);
    if (at + length > shape.sampleBytesMax || index >= shape.sampleCountMax) {
      this.#train();
      return;
    }
    for (let i = 0; i < length; i++) samples[at + i] = bytes[i];
    words[places + 2 * index] = at;
    Atomics.store(words, places + 2 * index + 1, length);
  }

  /** Ends what this thread began. */
  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }

  #train(): void {
    const { words } = this.#control;
    const { collecting, training, none } = DictionaryState;
    this.#state = training;
    if (Atomics.compareExchange(words, STATE, collecting, training) !== collecting) return;
    const end = (): void => {
      this.#worker = null;
      Atomics.compareExchange(words, STATE, training, none);
    };
    const threads = builtin<typeof import("node:worker_threads")>("node:worker_threads");
    if (threads === undefined) {
      end();
      return;
    }
    const job: DictionaryJob = {
      buffer: this.#control.buffer,
      shape: this.#control.shape,
      codec: this.#codec,
    };
    // Named as it is in the package, so that tools that collect a program's files find it. Sources run as they are.
    const compiled = new URL("./dictionary-worker.js", import.meta.url);
    const file = import.meta.url.endsWith(".ts") ? new URL(compiled.href.replace(/js$/, "ts")) : compiled;
    try {
      const worker = new threads.Worker(file, { workerData: job, stderr: true });
      worker.unref();
      worker.on("error", end);
      worker.on("exit", end);
      this.#worker = worker;
    } catch {
      // No permission for workers, or no memory for one: the cache works without.
      end();
    }
  }
}

/** The state is `training`. Makes the dictionary known to all threads. */
export function publish(control: Control, dictionary: Uint8Array): void {
  control.dictionary.set(dictionary);
  control.words[LENGTH] = dictionary.length;
  Atomics.store(control.words, STATE, DictionaryState.ready);
}

/** The state is `training`, and nothing is worth it. */
export function publishNone(control: Control): void {
  Atomics.store(control.words, STATE, DictionaryState.none);
}

/** Copies of the samples that were taken. */
export function samplesOf(control: Control): Uint8Array[] {
  const { words, samples, places, shape } = control;
  const copies: Uint8Array[] = [];
  for (let i = 0; i < shape.sampleCountMax; i++) {
    const length = Atomics.load(words, places + 2 * i + 1);
    const at = words[places + 2 * i];
    if (length > 0) copies.push(samples.slice(at, at + length));
  }
  return copies;
}
