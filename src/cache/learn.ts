import { type Codec, createLz4, createZstd, getCodec, trainDictionary } from "../codecs/index.ts";
import type { ControlShape } from "./control.ts";

/** What the thread that learns a dictionary is given. */
export interface DictionaryJob {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly shape: ControlShape;
  /** `"lz4"` or `"zstd"`. */
  readonly codec: string;
}

/** A dictionary must make what it did not learn from smaller by this share, or it is not used. */
const GAIN_MIN = 0.05;
/** Every so many-th sample judges, and is not learned from. */
const JUDGE_EVERY = 5;

/** Whether the codec of this id is one of those that take a dictionary. */
export function takesDictionary(codecId: number): boolean {
  return codecId === getCodec("lz4").id || codecId === getCodec("zstd").id;
}

/** The codec of a cache with this dictionary, or without one. */
export function codecWith(name: string, dictionary: Uint8Array | undefined): Codec {
  const options = dictionary === undefined ? {} : { dictionary };
  return name === "zstd" ? createZstd(options) : createLz4(options);
}

function total(codec: Codec, records: readonly Uint8Array[]): number {
  let target = new Uint8Array(1024);
  let sum = 0;
  for (const record of records) {
    const room = codec.maxCompressedLength(record.length);
    if (target.length < room) target = new Uint8Array(room);
    sum += codec.compress(record, target);
  }
  return sum;
}

/**
 * A dictionary learned from the samples of a cache.
 *
 * @returns null if it would not make values like them smaller by 5 % at least.
 */
export function learn(samples: readonly Uint8Array[], codec: string, bytesMax: number): Uint8Array | null {
  const judges = samples.filter((_, i) => i % JUDGE_EVERY === 0);
  const lessons = samples.filter((_, i) => i % JUDGE_EVERY !== 0);
  if (lessons.length === 0) return null;
  const dictionary = trainDictionary(lessons, bytesMax);
  const before = total(codecWith(codec, undefined), judges);
  const after = total(codecWith(codec, dictionary), judges);
  return after <= before * (1 - GAIN_MIN) ? dictionary : null;
}
