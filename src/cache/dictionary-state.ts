import { beginWindows } from "./dictionary-gain.ts";
import type { CacheThreads, SharedState } from "./shared-state.ts";
import type { DictionaryStats } from "./types.ts";

/** Of the shared state memory, the word that has all that changes at once; see {@link stateOf} and those behind it. */
export const STATE = 1;
/** The length of the note of what went wrong. */
const NOTE_LENGTH = 9;
const SAMPLES_TAKEN = 3;
const BYTES_TAKEN = 4;

/*
 * What is done about a dictionary. Whoever makes a step does it by compare-exchange of the whole word. Constants of their
 * own, which a bundler makes numbers of.
 */
/** Sets offer their values as samples. */
export const COLLECTING = 0;
/** Enough samples: one thread learns from them, or has them learned from. */
export const TRAINING = 1;
/** There is a dictionary. In this state and those that follow nobody learns. */
export const READY = 2;
/** What was learned is not worth it. */
export const USELESS = 3;
export const FAILED = 4;
/** Nobody wants one. */
export const OFF = 5;

const NAMES: readonly DictionaryStats["state"][] = [
  "learning",
  "learning",
  "in-use",
  "no-use",
  "failed",
  "off",
];

/** What a trial to learn found: a new dictionary, the slot of one from before, or null: what there is stays. */
export type Learned = Uint8Array | number | null;

/** The parts of the word, from the lowest bits on: state, how many there are, slot of that in use + 1, trials to learn again. */
const COUNT_SHIFT = 4;
const CURRENT_SHIFT = 8;
const TRIAL_SHIFT = 12;

export function stateOf(word: number): number {
  return word & 15;
}

/** How many dictionaries there are: they have the slots from 0 on. */
export function countOf(word: number): number {
  return (word >> COUNT_SHIFT) & 15;
}

/** The slot of the one that new values get; -1: there is none. */
export function currentOf(word: number): number {
  return ((word >> CURRENT_SHIFT) & 15) - 1;
}

export function trialOf(word: number): number {
  return word >>> TRIAL_SHIFT;
}

/** Whether that trial goes on, and what it finds is wanted. */
export function isTraining(word: number, trial: number): boolean {
  return stateOf(word) === TRAINING && trialOf(word) === trial;
}

/** The same with another state. */
export function withState(word: number, state: number): number {
  return (word & ~15) | state;
}

/** The shared bytes of a dictionary, by default that which new values get; null if there is none (yet). */
export function dictionaryOf(sharedState: SharedState, slot?: number): Uint8Array | null {
  const word = Atomics.load(sharedState.words, STATE);
  const wanted = slot ?? currentOf(word);
  return countOf(word) > Math.max(0, wanted) ? sharedState.dictionary(wanted) : null;
}

/**
 * Makes what was learned, or loaded, known to all threads, if nobody else did, and that trial still goes on. Else this changes
 * nothing.
 *
 * It is copied under a lock, to a slot that was never used before: values name the slot of the dictionary that they need,
 * and are kept longer than anybody knows. A thread that dies in here has changed nothing that anybody reads, and another
 * one learns in its stead; one that is stopped keeps the others from writing over what it goes on to copy.
 */
export function publish(
  sharedState: SharedState,
  learned: Learned | readonly Uint8Array[],
  trial: number,
  threads: CacheThreads,
): void {
  step(sharedState, threads, (word) => {
    if (!isTraining(word, trial)) return word;
    let count = countOf(word);
    let current = typeof learned === "number" ? learned : currentOf(word);
    for (const each of learned instanceof Uint8Array ? [learned] : Array.isArray(learned) ? learned : []) {
      current = count++;
      sharedState.setDictionary(current, each);
    }
    beginWindows(sharedState.words, trial);
    const next = (trial << TRIAL_SHIFT) | ((current + 1) << CURRENT_SHIFT) | (count << COUNT_SHIFT);
    return next | (count === 0 ? USELESS : READY);
  });
}

/** Makes a step from what there is, while no other thread does anything under the lock. */
function step({ words }: SharedState, threads: CacheThreads, next: (word: number) => number): void {
  threads.exclusively(() => {
    const word = Atomics.load(words, STATE);
    Atomics.compareExchange(words, STATE, word, next(word));
  });
}

/** Ends that trial, if it goes on, and says why. */
export function fail(sharedState: SharedState, trial: number, reason: unknown): void {
  const { words } = sharedState;
  note(sharedState, reason);
  const word = Atomics.load(words, STATE);
  if (!isTraining(word, trial)) return;
  beginWindows(words, trial);
  Atomics.compareExchange(words, STATE, word, withState(word, countOf(word) === 0 ? FAILED : READY));
}

/** Has samples collected anew. Those of before are forgotten. Who dies in here has changed nothing that counts. */
export function collectAgain(sharedState: SharedState, threads: CacheThreads): void {
  const { words, places, shape } = sharedState;
  step(sharedState, threads, (word) => {
    const state = stateOf(word);
    if (state !== READY && state !== USELESS) return word;
    // A thread that still takes a sample of before spoils one of these at most.
    words.fill(0, places, places + 2 * shape.maxSampleCount);
    words[SAMPLES_TAKEN] = 0;
    words[BYTES_TAKEN] = 0;
    return withState(word, COLLECTING) + (1 << TRIAL_SHIFT);
  });
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

/** What `stats()` says of it. */
export function dictionaryStats(sharedState: SharedState): DictionaryStats {
  const { words, notes, shape } = sharedState;
  const word = Atomics.load(words, STATE);
  const learned = countOf(word);
  const noted = Atomics.load(words, NOTE_LENGTH);
  return {
    state: learned > 0 ? "in-use" : NAMES[stateOf(word)],
    bytes: dictionaryOf(sharedState)?.length ?? 0,
    savedBytes: sharedState.savedBytes,
    learned,
    learnedMax: shape.maxDictionaries,
    trials: trialOf(word),
    // A copy: browsers decode no shared bytes.
    ...(noted === 0 ? {} : { error: new TextDecoder().decode(notes.slice(0, noted)) }),
  };
}
