import { type Codec, createLz4, trainingSteps } from "../codecs/index.ts";
import type { SharedStateShape } from "./shared-state.ts";

/** What the thread that learns a dictionary is given. */
export interface DictionaryJob {
  readonly buffer: SharedArrayBuffer;
  readonly shape: SharedStateShape;
  /** Where it puts what it learned: it has no seat among the threads of the cache, and so no lock. */
  readonly result: SharedArrayBuffer;
  /** The lz4 module, since the thread's code is without it: scripts/build-worker.ts. */
  readonly lz4: string;
}

/** Learning in steps, as `trainingSteps`; its result is null if no dictionary is worth it. */
export type Learning = Generator<undefined, Uint8Array | null, undefined>;

/** A dictionary must make what it did not learn from smaller by this share, or it is not used. */
const GAIN_MIN = 0.05;
/** Every so many-th sample judges, and is not learned from. */
const JUDGE_EVERY = 5;

/** Of a result, in its first word: it is not there yet, or nothing is worth it. Else the length of what follows. */
const PENDING = 0;
const NOTHING = -1;
const RESULT_WORD_BYTES = 4;

/** Room for what a thread learns. */
export function newResult(maxBytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(RESULT_WORD_BYTES + maxBytes);
}

export function writeLearned(result: SharedArrayBuffer, learned: Uint8Array | null): void {
  if (learned !== null) new Uint8Array(result, RESULT_WORD_BYTES).set(learned);
  Atomics.store(new Int32Array(result, 0, 1), 0, learned?.length ?? NOTHING);
}

/** What was learned, null if nothing is worth it; undefined as long as it is not known. */
export function readLearned(result: SharedArrayBuffer): Uint8Array | null | undefined {
  const length = Atomics.load(new Int32Array(result, 0, 1), 0);
  if (length === PENDING) return undefined;
  return length === NOTHING ? null : new Uint8Array(result, RESULT_WORD_BYTES, length);
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

/**
 * A dictionary learned from the samples of a cache. lz4 judges, whatever codec is to use it, so that no thread may be
 * killed within zlib.
 *
 * @returns null if it would not make values like them smaller by 5 % at least.
 */
export function* learn(samples: readonly Uint8Array[], maxBytes: number): Learning {
  const judges = samples.filter((_, i) => i % JUDGE_EVERY === 0);
  const lessons = samples.filter((_, i) => i % JUDGE_EVERY !== 0);
  if (lessons.length === 0) return null;
  const dictionary = yield* trainingSteps(lessons, maxBytes);
  const before = yield* total(createLz4(), judges);
  const after = yield* total(createLz4({ dictionary }), judges);
  return after <= before * (1 - GAIN_MIN) ? dictionary : null;
}
