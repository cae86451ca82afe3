import { integerOption, show, ZbudError } from "../base/index.ts";
import { createLz4 } from "./lz4/lz4.ts";
import type { Codec } from "./types.ts";

/** What is counted: how many samples contain each run of so many bytes. */
const RUN_BYTES = 8;
/** Lengths of a segment that are tried. */
const SEGMENT_BYTES = [32, 64, 128, 256, 512, 1024];
/** Each region of the samples is asked for its best segment about so many times. */
const PASSES = 4;
/** One sample in so many judges the candidates, and is not learned from meanwhile. */
const JUDGE_EVERY = 4;
const JUDGES_MAX = 1000;
const BYTES_MIN = 16;
const BYTES_MAX = 2 ** 20;

/**
 * Finds a dictionary for small similar records: the pieces that most of them share, the most useful last.
 *
 * It follows COVER (Liao, Petri, Moffat and Wirth, "Effective Construction of Relative Lempel-Ziv
 * Dictionaries", WWW 2016) as zstd's trainer does: take from each region of the samples the segment whose
 * runs of 8 bytes occur in most samples, count those runs no more, and go round again until the dictionary
 * is full. Which length of segment is best differs between data, so several are tried, learning from three
 * quarters of the samples, and compared by how small lz4 makes the rest.
 *
 * @param samples - records as they will be compressed, from a few hundred on; more do not hurt. A hundred
 *   times the dictionary's length in total is plenty.
 * @param bytes - 16 to 1 MiB, the longest dictionary wanted; 4 to 32 KiB is usual, and lz4 uses 64 KiB at
 *   most.
 * @returns a dictionary for `createLz4` or `createZstd`, in general of `bytes` bytes: shorter if the samples
 *   do not share so much. The same samples give the same dictionary.
 * @throws {ZbudError} `EINVAL` if `bytes` is out of range, or there are no samples, or all are too short.
 * @remarks Takes about 0.4 s for each megabyte of samples, and 12 times their length in memory meanwhile.
 */
export function trainDictionary(samples: readonly Uint8Array[], bytes: number): Uint8Array {
  const steps = trainingSteps(samples, bytes);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/**
 * What {@link trainDictionary} does, in steps of some 10 to 500 µs, for a thread that has other things to do
 * between them: its last step returns the dictionary. The samples must stay as they are until then.
 *
 * @throws {ZbudError} as `trainDictionary`, at the first step.
 */
export function* trainingSteps(
  samples: readonly Uint8Array[],
  bytes: number,
): Generator<undefined, Uint8Array, undefined> {
  integerOption("bytes", bytes, BYTES_MIN, BYTES_MAX);
  const useful = checkSamples(samples);
  const judges: Uint8Array[] = [];
  const learned: Uint8Array[] = [];
  useful.forEach((sample, i) => {
    (i % JUDGE_EVERY === JUDGE_EVERY - 1 ? judges : learned).push(sample);
  });
  const all = new Corpus(useful);
  yield* all.read();
  if (judges.length === 0) return yield* all.select(bytes, SEGMENT_BYTES[2]);
  const trial = new Corpus(learned);
  yield* trial.read();
  const some = judges.slice(0, JUDGES_MAX);
  let best = 0;
  let smallest = Number.POSITIVE_INFINITY;
  for (const segmentBytes of SEGMENT_BYTES) {
    const codec = createLz4({ dictionary: yield* trial.select(bytes, segmentBytes) });
    const size = yield* totalCompressed(codec, some);
    if (size < smallest) {
      smallest = size;
      best = segmentBytes;
    }
  }
  return yield* all.select(bytes, best);
}

function checkSamples(samples: readonly Uint8Array[]): Uint8Array[] {
  if (!Array.isArray(samples)) {
    throw new ZbudError("EINVAL", `samples must be an array of Uint8Array, not ${show(samples)}`);
  }
  for (const sample of samples) {
    if (!(sample instanceof Uint8Array)) {
      throw new ZbudError("EINVAL", `each sample must be a Uint8Array, not ${show(sample)}`);
    }
  }
  const useful = samples.filter((sample) => sample.length >= RUN_BYTES);
  if (useful.length === 0) {
    throw new ZbudError(
      "EINVAL",
      `none of ${samples.length} samples has the ${RUN_BYTES} bytes it takes to learn from`,
    );
  }
  return useful;
}

/** What a codec makes of these records together, in steps of one each. */
function* totalCompressed(
  codec: Codec,
  records: readonly Uint8Array[],
): Generator<undefined, number, undefined> {
  let target = new Uint8Array(4096);
  let total = 0;
  for (const record of records) {
    const source = record.subarray(0, 2 ** 20);
    const room = codec.maxCompressedLength(source.length);
    if (target.length < room) target = new Uint8Array(room);
    total += codec.compress(source, target);
    yield;
  }
  return total;
}

/** The samples in one row, with what is known of the run of bytes that starts at each place. */
class Corpus {
  readonly #bytes: Uint8Array;
  /** Hash of the run at each place; 0 where it would reach into the next sample. */
  readonly #runs: Uint32Array;
  /** For each hash: how many samples other than the first have the run. Entry 0 stays 0. */
  readonly #shared: Uint32Array;

  readonly #samples: readonly Uint8Array[];
  readonly #bits: number;

  /** {@link read} comes next. */
  constructor(samples: readonly Uint8Array[]) {
    const length = samples.reduce((sum, sample) => sum + sample.length, 0);
    this.#samples = samples;
    this.#bits = Math.min(Math.max(Math.ceil(Math.log2(length)), 10), 20);
    this.#bytes = new Uint8Array(length);
    this.#runs = new Uint32Array(length);
    this.#shared = new Uint32Array(2 ** this.#bits);
  }

  /** Looks at each sample, one a step. */
  *read(): Generator<undefined, void, undefined> {
    const lastSample = new Uint32Array(2 ** this.#bits);
    let start = 0;
    for (const [index, sample] of this.#samples.entries()) {
      this.#readOne(sample, start, index + 1, lastSample);
      start += sample.length;
      yield;
    }
  }

  #readOne(sample: Uint8Array, start: number, number: number, lastSample: Uint32Array): void {
    this.#bytes.set(sample, start);
    for (let at = start; at + RUN_BYTES <= start + sample.length; at++) {
      const hash = this.#hash(at, this.#bits);
      this.#runs[at] = hash;
      if (lastSample[hash] === number) continue;
      if (lastSample[hash] !== 0) this.#shared[hash]++;
      lastSample[hash] = number;
    }
  }

  /** A dictionary of up to `bytes` bytes, made of segments of up to `segmentBytes`, one a step. */
  *select(bytes: number, segmentBytes: number): Generator<undefined, Uint8Array, undefined> {
    const shared = this.#shared.slice();
    const active = new Uint16Array(shared.length);
    const dictionary = new Uint8Array(bytes);
    const length = this.#bytes.length;
    const regions = Math.max(1, Math.floor(bytes / segmentBytes / PASSES));
    const regionBytes = Math.max(Math.ceil(length / regions), segmentBytes);
    let room = bytes;
    for (let start = 0, barren = 0; room >= RUN_BYTES && barren * regionBytes < length; ) {
      const end = Math.min(start + regionBytes, length);
      const segment = this.#best(start, end, Math.min(segmentBytes, room), shared, active);
      start = end === length ? 0 : end;
      yield;
      if (segment === null) {
        barren++;
        continue;
      }
      barren = 0;
      for (let at = segment.start; at + RUN_BYTES <= segment.end; at++) shared[this.#runs[at]] = 0;
      room -= segment.end - segment.start;
      dictionary.set(this.#bytes.subarray(segment.start, segment.end), room);
    }
    // Samples that share nothing: theirs is as good as any.
    return room === bytes ? this.#bytes.slice(-bytes) : dictionary.slice(room);
  }

  /** The segment in [start, end) whose different runs are shared most; null if none is shared. */
  #best(
    start: number,
    end: number,
    segmentBytes: number,
    shared: Uint32Array,
    active: Uint16Array,
  ): { start: number; end: number } | null {
    const runs = this.#runs;
    const window = segmentBytes - RUN_BYTES + 1;
    const last = end - RUN_BYTES;
    let score = 0;
    let bestScore = 0;
    let bestStart = start;
    for (let at = start; at <= last; at++) {
      const entering = runs[at];
      if (active[entering]++ === 0) score += shared[entering];
      if (at - window >= start) {
        const leaving = runs[at - window];
        if (--active[leaving] === 0) score -= shared[leaving];
      }
      if (score > bestScore) {
        bestScore = score;
        bestStart = Math.max(start, at - window + 1);
      }
    }
    for (let at = Math.max(start, last - window + 1); at <= last; at++) active[runs[at]] = 0;
    if (bestScore === 0) return null;
    let first = bestStart;
    let final = Math.min(bestStart + window - 1, last);
    while (shared[runs[first]] === 0) first++;
    while (shared[runs[final]] === 0) final--;
    return { start: first, end: final + RUN_BYTES };
  }

  #hash(at: number, bits: number): number {
    const bytes = this.#bytes;
    const low = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    const high = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24);
    const mixed = Math.imul(Math.imul(low, 0x9e3779b1) ^ (low >>> 15) ^ high, 0x85ebca6b);
    return Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) >>> (32 - bits) || 1;
  }
}
