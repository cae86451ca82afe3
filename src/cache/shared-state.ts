import { sharedBuffer, ZbudError } from "../base/index.ts";
import { type LeaseShape, leaseShape, leaseWords } from "./lease-layout.ts";

/**
 * The memory beside the engine that all threads of a cache share.
 *
 *   word 0       magic and version
 *   word 1       state of the dictionary, see `dictionary-trainer.ts`
 *   word 2       bytes of the dictionary
 *   word 3, 4    samples and bytes of samples taken
 *   word 5       the last stamp of an invalidation
 *   word 6       the stamp of the last `clear`
 *   word 7       the number of this run: stamps of another run mean nothing here
 *   word 8       the stamp of the last time that the second tier could not be told of a change
 *   word 9       bytes of the note, see `dictionary-state.ts`
 *   word 10      signs of life of whoever learns a dictionary, counted
 *   word 11      its member, see `dictionary-trainer.ts`
 *   word 12, 13  bytes that the dictionary saved, a number of 64 bits
 *   word 14…     counters, two words each
 *   word 52…55   what is told by other machines, see `hearing.ts`
 *   word 60      1: what the second tier has of these stamps is what they are (see `tier-notes.ts`), or is being written
 *   word 61      threads that are closing the cache
 *   word 62, 63  what is written ahead, paid off until then, see `write-budget.ts`
 *   STAMPS…      by hash: the stamp of the last time that a key of this hash was changed, then the same of tags
 *   RUNS…        how many runs before this one are known, then the number and the last stamp of each
 *   LEASES…      what is being loaded, see `leases.ts`
 *   then         places and bytes of samples, then the dictionary, then the note
 */
const MAGIC = 0x7a63_0003;
const SAVED = 12;
const COUNTERS = 14;
const STAMPS = 64;
/** Of keys, and as many of tags. */
const STAMP_COUNT = 2048;
const RUNS = STAMPS + 2 * STAMP_COUNT;
/** Runs before this one that are known: what older ones evicted with tags is not found any more. */
export const RUNS_MAX = 31;
const LEASES = RUNS + 2 + 2 * RUNS_MAX;
/** Words for who listens to other machines. */
export const HEARING = 52;
const COUNTERS_END = HEARING;
const NOTED = 60;
const CLOSING = 61;
const BUDGET = 62;
/** From here on stamps are not taken over by the next run: they have 31 bits. */
const STAMP_END = 2 ** 30;
const LAST_STAMP = 5;
const CLEARED = 6;
const RUN = 7;
const TIER_VOID = 8;
/** Caches that used one second tier, one after the other or in several processes, are told apart by 1 to this. */
const RUN_MAX = 2 ** 21 - 1;

/** Places in the shared counters. */
export const Counter = {
  staleHits: 0,
  rejectTooBig: 1,
  backingHits: 2,
  backingMisses: 3,
  backingWrites: 4,
  backingWritesFailed: 5,
  backingReadsFailed: 6,
  loads: 7,
  loadsFailed: 8,
  loadsShared: 9,
  backingRefusedBusy: 10,
  backingRefusedFull: 11,
  flushesFailed: 12,
  untrusted: 13,
  verified: 14,
  told: 15,
  untold: 16,
} as const;

/** What a run before this one left about itself, so that the next one can believe what it evicted. */
export interface RunNotes {
  readonly run: number;
  readonly stamp: number;
  readonly cleared: number;
  readonly tierVoid: number;
  /** Runs before that one: number and last stamp of each. */
  readonly runs: readonly (readonly [number, number])[];
  /** Places and stamps of deleted tags. */
  readonly tags: readonly (readonly [number, number])[];
}

/** The threads of a cache, as one of them sees them: a part of the engine. */
export interface CacheThreads {
  /** The number of this one. It never comes back. */
  readonly member: number;
  isGone(member: number): boolean;
  /** Share of its limit that the fullest part of the cache has in use, 0 to 1. */
  fullness(): number;
  /** Does what no other thread does meanwhile, of whatever process. Who dies in there keeps nobody out. */
  exclusively(work: () => void): void;
}

/** How a shared state memory is divided; plain data that other threads get with it. */
export interface SharedStateShape extends LeaseShape {
  readonly maxSampleCount: number;
  readonly maxSampleBytes: number;
  readonly maxDictionaryBytes: number;
  /** Room for what went wrong while a dictionary was learned, as text. */
  readonly maxNoteBytes: number;
}

/**
 * Shapes by the size of the cache: 1/9 of one of 1 MiB, 1/64 of one of 16 MiB, and at most 707 KiB. More samples make
 * values smaller by some hundredths, but learning from them takes so much longer that more values are stored without a
 * dictionary.
 */
export function sharedStateShape(
  maxBytes: number,
  learns: boolean,
  dictionaryBytes: number,
): SharedStateShape {
  const leases = leaseShape(maxBytes);
  if (!learns) {
    const maxDictionaryBytes = align(dictionaryBytes);
    return { ...leases, maxSampleCount: 0, maxSampleBytes: 0, maxDictionaryBytes, maxNoteBytes: 0 };
  }
  const maxSampleBytes = Math.min(2 ** 18, Math.max(2 ** 16, align(Math.floor(maxBytes / 96))));
  return {
    ...leases,
    maxSampleCount: 2048,
    maxSampleBytes,
    maxDictionaryBytes: Math.min(2 ** 15, Math.max(2 ** 12, align(Math.floor(maxSampleBytes / 8)))),
    maxNoteBytes: 256,
  };
}

function align(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

export function sharedStateBytes(shape: SharedStateShape): number {
  const words = LEASES + leaseWords(shape) + 2 * shape.maxSampleCount;
  return words * 4 + shape.maxSampleBytes + shape.maxDictionaryBytes + shape.maxNoteBytes;
}

/** Whether a shared state memory of so many bytes can be divided so. */
export function isSharedStateShape(shape: unknown, bytes: number): boolean {
  if (typeof shape !== "object" || shape === null) return false;
  const parts = Object.values(shape as SharedStateShape);
  if (!parts.every((part) => Number.isInteger(part) && part >= 0)) return false;
  return sharedStateBytes(shape as SharedStateShape) === bytes;
}

/** @throws {ZbudError} `ENOMEM` if the system has none; `ENOTSUP` where there is nothing to share. */
export function sharedStateMemory(bytes: number, shared: boolean): ArrayBuffer | SharedArrayBuffer {
  try {
    return shared ? sharedBuffer(bytes) : new ArrayBuffer(bytes);
  } catch (cause) {
    if (cause instanceof ZbudError) throw cause;
    throw new ZbudError("ENOMEM", `cannot reserve ${bytes} bytes of maxBytes; lower maxBytes`, { cause });
  }
}

/** One thread's view of the memory that the threads of a cache share beside the engine. */
export class SharedState {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly shape: SharedStateShape;
  readonly words: Int32Array;
  /** Where the words of `leases.ts` begin in `words`. */
  readonly leases: number;
  readonly #counters: BigInt64Array;
  /** Where sample places begin in `words`: two words each, first byte in `samples` and length + 1. */
  readonly places: number;
  readonly samples: Uint8Array;
  readonly dictionary: Uint8Array;
  readonly notes: Uint8Array;
  readonly #saved: BigInt64Array;
  /** The word of a `WriteBudget`. */
  readonly budget: BigInt64Array;

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, shape: SharedStateShape) {
    this.buffer = buffer;
    this.shape = shape;
    this.words = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    this.leases = LEASES;
    this.places = LEASES + leaseWords(shape);
    this.#counters = new BigInt64Array(buffer, COUNTERS * 4, (COUNTERS_END - COUNTERS) >> 1);
    this.budget = new BigInt64Array(buffer, BUDGET * 4, 1);
    const samplesAt = (this.places + 2 * shape.maxSampleCount) * 4;
    this.samples = new Uint8Array(buffer, samplesAt, shape.maxSampleBytes);
    const dictionaryAt = samplesAt + shape.maxSampleBytes;
    this.dictionary = new Uint8Array(buffer, dictionaryAt, shape.maxDictionaryBytes);
    this.notes = new Uint8Array(buffer, dictionaryAt + shape.maxDictionaryBytes, shape.maxNoteBytes);
    this.#saved = new BigInt64Array(buffer, 4 * SAVED, 1);
    const microseconds = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    Atomics.compareExchange(this.words, RUN, 0, (microseconds % RUN_MAX) + 1);
    const before = Atomics.compareExchange(this.words, 0, 0, MAGIC);
    if (before !== 0 && before !== MAGIC) {
      throw new ZbudError("EINVAL", "this is not the memory of a cache of this version of zbud");
    }
  }

  get run(): number {
    return this.words[RUN];
  }

  /** Counters have 64 bits: one of 32 would fall to 0 after some hours. */
  count(counter: number): void {
    Atomics.add(this.#counters, counter, 1n);
  }

  counted(counter: number): number {
    return Number(Atomics.load(this.#counters, counter));
  }

  /** Bytes that the dictionary saved so far. */
  get savedBytes(): number {
    return Number(Atomics.load(this.#saved, 0));
  }

  /** @param bytes - an integer; less than 0 for a value that the dictionary made longer. */
  addSaved(bytes: number): void {
    Atomics.add(this.#saved, 0, BigInt(bytes));
  }

  /** The time of invalidations: what is invalidated later has a later stamp. */
  stamp(): number {
    return Atomics.load(this.words, LAST_STAMP);
  }

  /** Notes that a key of this hash was changed. */
  invalidateKey(hash: number): void {
    this.#raise(keyPlace(hash));
  }

  /** Notes that a tag of this hash was deleted. */
  invalidateTag(hash: number): void {
    this.#raise(tagPlace(hash));
  }

  /** Notes that the second tier may have what is out of date, whatever key it has. */
  invalidateTier(): void {
    this.#raise(TIER_VOID);
  }

  invalidateAll(): void {
    this.#raise(CLEARED);
  }

  /** What is known of this run at this moment, and of those before it. */
  runNotes(): RunNotes {
    const { words } = this;
    // First: what is invalidated while the rest is read has a later one.
    const stamp = this.stamp();
    const tags: [number, number][] = [];
    for (let place = 0; place < STAMP_COUNT; place++) {
      const at = Atomics.load(words, STAMPS + STAMP_COUNT + place);
      if (at !== 0) tags.push([place, at]);
    }
    const runs = Array.from({ length: words[RUNS] }, (_, i): [number, number] => {
      return [words[RUNS + 2 + 2 * i], words[RUNS + 3 + 2 * i]];
    });
    return {
      run: this.run,
      stamp,
      cleared: Atomics.load(words, CLEARED),
      tierVoid: Atomics.load(words, TIER_VOID),
      runs,
      tags,
    };
  }

  /**
   * Goes on where another run ended: stamps count on from its last one, so what is invalidated from here on is later
   * than all that it evicted. For the thread that makes the cache, before anything is in it.
   */
  goOn({ run, stamp, cleared, tierVoid, runs, tags }: RunNotes): void {
    const { words } = this;
    if (stamp >= STAMP_END) return;
    const known = [...runs, [run, stamp] as const].slice(-RUNS_MAX);
    words[LAST_STAMP] = stamp;
    words[CLEARED] = cleared;
    words[TIER_VOID] = tierVoid;
    for (const [place, at] of tags) words[STAMPS + STAMP_COUNT + place] = at;
    words[RUNS] = known.length;
    for (const [i, [number, last]] of known.entries()) {
      words[RUNS + 2 + 2 * i] = number;
      words[RUNS + 3 + 2 * i] = last;
    }
    while (known.some(([number]) => number === words[RUN])) words[RUN] = (words[RUN] % RUN_MAX) + 1;
  }

  /**
   * When, in this run's time, something was evicted that notes a run and a stamp of that; -1 if that run is not known.
   * What another run evicted after its last notes counts as evicted with them.
   */
  stampOf(run: number, stamp: number): number {
    const { words } = this;
    if (run === words[RUN]) return stamp;
    for (let i = 0; i < words[RUNS]; i++) {
      if (words[RUNS + 2 + 2 * i] === run) return Math.min(stamp, words[RUNS + 3 + 2 * i]);
    }
    return -1;
  }

  /** Whether runs before this one are known. */
  get hasRunsBefore(): boolean {
    return this.words[RUNS] > 0;
  }

  /** Whether the notes of the second tier, if it has any, say what these stamps say. */
  get isNoted(): boolean {
    return Atomics.load(this.words, NOTED) === 1;
  }

  set isNoted(isNoted: boolean) {
    Atomics.store(this.words, NOTED, isNoted ? 1 : 0);
  }

  /** Counts threads that are closing the cache at this moment. How many there are now. */
  countClosing(by: 1 | -1): number {
    return Atomics.add(this.words, CLOSING, by) + by;
  }

  /** Writes a new stamp, unless another thread wrote a later one meanwhile. */
  #raise(place: number): void {
    const { words } = this;
    const stamp = (Atomics.add(words, LAST_STAMP, 1) + 1) | 0;
    for (let before = Atomics.load(words, place); ((stamp - before) | 0) > 0; ) {
      const found = Atomics.compareExchange(words, place, before, stamp);
      if (found === before) return;
      before = found;
    }
  }

  /** Whether {@link invalidateKey} was told of this hash after `stamp`, or of one that shares its place. */
  keyChangedSince(stamp: number, hash: number): boolean {
    return this.#isLater(keyPlace(hash), stamp);
  }

  /** Whether a tag of this hash was deleted after `stamp`, or one that shares its place. */
  tagDeletedSince(stamp: number, hash: number): boolean {
    return this.#isLater(tagPlace(hash), stamp);
  }

  clearedSince(stamp: number): boolean {
    return this.#isLater(CLEARED, stamp);
  }

  tierVoidSince(stamp: number): boolean {
    return this.#isLater(TIER_VOID, stamp);
  }

  #isLater(place: number, stamp: number): boolean {
    return ((Atomics.load(this.words, place) - stamp) | 0) > 0;
  }
}

function keyPlace(hash: number): number {
  return STAMPS + (hash & (STAMP_COUNT - 1));
}

function tagPlace(hash: number): number {
  return STAMPS + STAMP_COUNT + (hash & (STAMP_COUNT - 1));
}
