import type { CacheThreads, SharedState } from "./shared-state.ts";
import type { DictionaryStats } from "./types.ts";

/** Words of the shared state memory: the state, and the length of the dictionary. */
export const STATE = 1;
const LENGTH = 2;
/** The length of the note of what went wrong. */
const NOTE_LENGTH = 9;

/** The states of a dictionary, in their order. Whoever makes a step does it by compare-exchange. */
export const DictionaryState = {
  /** Sets offer their values as samples. */
  collecting: 0,
  /** Enough samples: one thread learns from them, or has them learned from. */
  training: 1,
  /** There is a dictionary. This and those that follow are final. */
  ready: 2,
  /** What was learned is not worth it. */
  useless: 3,
  failed: 4,
  /** Nobody wants one. */
  off: 5,
} as const;

const NAMES: readonly DictionaryStats["state"][] = [
  "learning",
  "learning",
  "in-use",
  "no-use",
  "failed",
  "off",
];

/** The shared bytes of the dictionary; null if there is none (yet). */
export function dictionaryOf({ words, dictionary }: SharedState): Uint8Array | null {
  if (Atomics.load(words, STATE) !== DictionaryState.ready) return null;
  return dictionary.subarray(0, words[LENGTH]);
}

/**
 * Makes what was learned known to all threads, if nobody else did; null: nothing is worth it. The state is
 * `training`, or this changes nothing.
 *
 * It is copied under a lock. A thread that dies in here has changed nothing that anybody reads, and another one learns in
 * its stead; one that is stopped keeps the others from writing over what it goes on to copy.
 */
export function publish(sharedState: SharedState, learned: Uint8Array | null, threads: CacheThreads): void {
  const { words, dictionary } = sharedState;
  const { training, ready, useless } = DictionaryState;
  if (learned === null) {
    Atomics.compareExchange(words, STATE, training, useless);
    return;
  }
  threads.exclusively(() => {
    if (Atomics.load(words, STATE) !== training) return;
    dictionary.set(learned);
    words[LENGTH] = learned.length;
    Atomics.compareExchange(words, STATE, training, ready);
  });
}

/** Ends the learning, if it goes on, and says why. */
export function fail(sharedState: SharedState, reason: unknown): void {
  const { training, failed } = DictionaryState;
  note(sharedState, reason);
  Atomics.compareExchange(sharedState.words, STATE, training, failed);
}

/** Keeps for `stats()` what went wrong: of an error its code and message. */
export function note({ words, notes }: SharedState, reason: unknown): void {
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  const text = typeof message === "string" ? message : String(reason);
  // Our own messages have it.
  const isTold = typeof code !== "string" || text.includes(code);
  const { written } = new TextEncoder().encodeInto(isTold ? text : `${code}: ${text}`, notes);
  Atomics.store(words, NOTE_LENGTH, written);
}

/** Copies of the samples that were taken. */
export function samplesOf(sharedState: SharedState): Uint8Array[] {
  const { words, samples, places, shape } = sharedState;
  const copies: Uint8Array[] = [];
  for (let i = 0; i < shape.maxSampleCount; i++) {
    const length = Atomics.load(words, places + 2 * i + 1);
    const at = words[places + 2 * i];
    if (length > 0) copies.push(samples.slice(at, at + length));
  }
  return copies;
}

/** What `stats()` says of it. */
export function dictionaryStats(sharedState: SharedState): DictionaryStats {
  const { words, notes } = sharedState;
  const state = Atomics.load(words, STATE);
  const noted = Atomics.load(words, NOTE_LENGTH);
  return {
    state: NAMES[state],
    bytes: state === DictionaryState.ready ? words[LENGTH] : 0,
    savedBytes: sharedState.savedBytes,
    // A copy: browsers decode no shared bytes.
    ...(noted === 0 ? {} : { error: new TextDecoder().decode(notes.slice(0, noted)) }),
  };
}
