import { type Codec, createLz4, trainingSteps } from "../codecs/index.ts";
import { expectGain } from "./dictionary-gain.ts";
import { type Lesson, lessonOf } from "./dictionary-lesson.ts";
import type { Learned } from "./dictionary-state.ts";
import type { SharedState, SharedStateShape } from "./shared-state.ts";

/** What the thread that learns a dictionary is given. */
export interface DictionaryJob {
  readonly buffer: SharedArrayBuffer;
  readonly shape: SharedStateShape;
  /** The word of the state as long as the result is wanted. */
  readonly word: number;
  /** Where it puts what it learned: it has no seat among the threads of the cache, and so no lock. */
  readonly result: SharedArrayBuffer;
  /** The lz4 module, since the thread's code is without it: scripts/build-worker.ts. */
  readonly lz4: string;
}

/** Learning in steps, as `trainingSteps`. */
export type Learning = Generator<undefined, Learned, undefined>;

/** A dictionary must make what it did not learn from smaller by this share, or it is not used. */
const GAIN_MIN = 0.05;
/** As good as one from before, which takes no more room, is one that is better by less than this. */
const SAME = 0.05;
/** Every so many-th sample judges, and is not learned from. */
const JUDGE_EVERY = 5;

/** Of a result, in its first word: it is not there yet, nothing is worth it, or (and below) the dictionary of slot 0. Else the length of what follows. */
const PENDING = 0;
const NOTHING = -1;
const KNOWN = -2;
const RESULT_WORD_BYTES = 4;

/** Room for what a thread learns. */
export function newResult(maxBytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(RESULT_WORD_BYTES + maxBytes);
}

export function writeLearned(result: SharedArrayBuffer, learned: Learned): void {
  if (learned instanceof Uint8Array) new Uint8Array(result, RESULT_WORD_BYTES).set(learned);
  const slot = typeof learned === "number" ? KNOWN - learned : NOTHING;
  Atomics.store(new Int32Array(result, 0, 1), 0, learned instanceof Uint8Array ? learned.length : slot);
}

/** What was learned; undefined as long as it is not known. */
export function readLearned(result: SharedArrayBuffer): Learned | undefined {
  const length = Atomics.load(new Int32Array(result, 0, 1), 0);
  if (length > 0) return new Uint8Array(result, RESULT_WORD_BYTES, length);
  if (length === PENDING) return undefined;
  return length === NOTHING ? null : KNOWN - length;
}

function* total(codec: Codec, records: readonly Uint8Array[]): Generator<undefined, number, undefined> {
  let target = new Uint8Array(1024);
  let sum = 0;
  for (const record of records) {
    const room = codec.maxCompressedLength(record.length);
    if (target.length < room) target = new Uint8Array(room);
    sum += codec.compress(record, target);
    yield;
  }
  return sum;
}

/** Learns from what a cache has for it now. */
export function* learnFor(sharedState: SharedState): Learning {
  const { learned, gain } = yield* learn(lessonOf(sharedState));
  expectGain(sharedState.words, gain);
  return learned;
}

interface Found {
  readonly learned: Learned;
  /** What the dictionary saves that is in use from here on, of what the values would take without it. */
  readonly gain: number;
}

/**
 * A dictionary learned from the samples of a cache, or the best of those that it has. lz4 judges, whatever codec is to use
 * it, so that no thread may be killed within zlib.
 *
 * @returns as `learned` null if neither would make values like them smaller, by 5 % at least, than what is in use, and than none.
 */
export function* learn({ samples, maxBytes, known }: Lesson): Generator<undefined, Found, undefined> {
  const judges = samples.filter((_, i) => i % JUDGE_EVERY === 0);
  const lessons = samples.filter((_, i) => i % JUDGE_EVERY !== 0);
  if (lessons.length === 0) return { learned: null, gain: 0 };
  const plain = yield* total(createLz4(), judges);
  const sizes: number[] = [];
  for (const dictionary of known.bytes) sizes.push(yield* total(createLz4({ dictionary }), judges));
  const found = (learned: Learned, size: number): Found => ({ learned, gain: 1 - size / plain });
  const present = sizes[known.current] ?? plain;
  const most = Math.min(plain, present) * (1 - GAIN_MIN);
  const least = Math.min(...sizes);
  if (maxBytes > 0) {
    const dictionary = yield* trainingSteps(lessons, maxBytes);
    const size = yield* total(createLz4({ dictionary }), judges);
    if (size <= most && size < least * (1 - SAME)) return found(dictionary, size);
  }
  return least <= most ? found(sizes.indexOf(least), least) : found(null, present);
}
