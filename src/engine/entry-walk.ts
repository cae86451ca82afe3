import type { EngineInside } from "./parts.ts";
import {
  KIND_ENTRY,
  KIND_MASK,
  NAME,
  STATE,
  STATE_RAW,
  STATE_SAME_FILLED,
  STORED,
  VERSION,
  W_HIGH_WATER,
  W_VERSION,
} from "./table.ts";

/** The upper ends of the steps of ages, in milliseconds; behind the last comes all that is older. */
export const AGE_ENDS: readonly number[] = [10_000, 60_000, 600_000, 3_600_000];
/** Step `i` of sizes counts up to `64 << i` bytes, the last all that is larger. */
export const SIZE_STEPS = 16;
const SIZE_FIRST_BITS = 6;
/** Rows that one step looks at: some 0.1 ms. */
const ROWS_A_STEP = 2048;
/** Rows that a walk looks at; of more, so many of them, evenly. */
const ROWS_A_WALK = 16_384;
const LARGEST_MAX = 12;
/** Between two notes of how far the versions are, and how many notes are kept. */
const NOTE_MS = 1000;
const NOTES_MAX = 1024;

/** An entry as it was when it was seen. */
export interface SeenEntry {
  readonly shard: number;
  readonly row: number;
  /** Key, tags and the value as it is kept. */
  readonly bytes: number;
}

/** What a walk over the entries found, of a sample where there are many. */
export interface EntryFigures {
  /** Entries looked at. */
  readonly counted: number;
  /** By the bytes that each takes; see {@link SIZE_STEPS}. */
  readonly sizes: readonly number[];
  /** By the time since each was stored or compressed anew; see {@link AGE_ENDS}. */
  readonly ages: readonly number[];
  /** Those from before somebody watched: how old they are is not known. */
  readonly earlier: number;
  /** Kept as they are, since they do not compress. */
  readonly raw: number;
  /** One word, repeated: they take no memory but their row. */
  readonly sameFilled: number;
  /** The largest of them, the first of all first. */
  readonly largest: readonly SeenEntry[];
}

type Mutable = { -readonly [Name in keyof EntryFigures]: EntryFigures[Name] } & {
  sizes: number[];
  ages: number[];
  largest: SeenEntry[];
};

interface Note {
  readonly at: number;
  readonly versions: readonly number[];
}

/**
 * Looks over the entries of an engine, some rows at a time and without a lock: what changes meanwhile is counted as it
 * was or as it is, and a count may be off by one. Each shard numbers its writes, so a note of the number now and then is
 * all that it takes to know later how old an entry is.
 */
export class EntryWalk {
  #notes: Note[] = [];
  #found: Mutable = none();
  #shard = 0;
  #row = 1;
  /** Rows from one that is looked at to the next. */
  #stride = 1;
  #last: EntryFigures | null = null;

  /** Goes on by a step. What the last walk that is complete found; null: none is. @param now - milliseconds. */
  step({ shards }: EngineInside, now: number): EntryFigures | null {
    this.#note(shards, now);
    if (this.#shard === 0 && this.#row === 1) this.#choose(shards);
    for (let left = ROWS_A_STEP; left > 0; ) {
      if (this.#shard >= shards.length) break;
      const { words } = shards[this.#shard];
      const end = words[W_HIGH_WATER];
      const count = Math.min(left, Math.ceil((end - this.#row) / this.#stride));
      if (count > 0) this.#look(shards[this.#shard], count, this.#limits(words, now));
      left -= Math.max(1, count);
      if (this.#row < end) continue;
      this.#shard += 1;
      this.#row = 1;
    }
    if (this.#shard >= shards.length) {
      this.#last = this.#found;
      this.#begin();
    }
    return this.#last;
  }

  /** Nobody watches any more: what was noted grows old. */
  forget(): void {
    this.#notes = [];
    this.#last = null;
    this.#begin();
  }

  #note(shards: EngineInside["shards"], at: number): void {
    const notes = this.#notes;
    if (notes.length > 0 && at - notes[notes.length - 1].at < NOTE_MS) return;
    notes.push({ at, versions: shards.map(({ words }) => words[W_VERSION]) });
    if (notes.length > NOTES_MAX) this.#notes = notes.filter((_, i) => i % 2 === 0);
  }

  /** For each end of a step of ages how many writes there were since; and since the first note. */
  #limits(words: Int32Array, now: number): number[] {
    const notes = this.#notes;
    const since = ({ versions }: Note): number => (words[W_VERSION] - (versions[this.#shard] ?? 0)) | 0;
    const limits = AGE_ENDS.map((age) => since(notes.findLast(({ at }) => at <= now - age) ?? notes[0]));
    return [...limits, since(notes[0])];
  }

  #look(shard: EngineInside["shards"][number], count: number, limits: readonly number[]): void {
    const { words, rows } = shard;
    const found = this.#found;
    const { sizes, ages } = found;
    const noted = limits[limits.length - 1];
    for (let i = 0; i < count; i++) {
      const row = this.#row;
      this.#row += this.#stride;
      const at = rows.at(row);
      const state = words[at + STATE];
      if ((state & KIND_MASK) !== KIND_ENTRY) continue;
      const bytes = bytesOf(words, at);
      found.counted += 1;
      sizes[stepOf(bytes)] += 1;
      if ((state & STATE_RAW) !== 0) found.raw += 1;
      if ((state & STATE_SAME_FILLED) !== 0) found.sameFilled += 1;
      const writes = (words[W_VERSION] - words[at + VERSION]) | 0;
      let step = 0;
      while (step < AGE_ENDS.length && writes >= limits[step]) step += 1;
      if (writes >= noted) found.earlier += 1;
      else ages[step] += 1;
      if (bytes > this.#leastRanked()) this.#rank({ shard: this.#shard, row, bytes });
    }
  }

  /** What is not larger is not among the largest. */
  #leastRanked(): number {
    const { largest } = this.#found;
    return largest.length < LARGEST_MAX ? -1 : largest[LARGEST_MAX - 1].bytes;
  }

  #rank(entry: SeenEntry): void {
    const { largest } = this.#found;
    const at = largest.findIndex(({ bytes }) => bytes < entry.bytes);
    largest.splice(at < 0 ? largest.length : at, 0, entry);
    if (largest.length > LARGEST_MAX) largest.pop();
  }

  #choose(shards: EngineInside["shards"]): void {
    const rows = shards.reduce((sum, { words }) => sum + words[W_HIGH_WATER], 0);
    this.#stride = Math.max(1, Math.ceil(rows / ROWS_A_WALK));
  }

  #begin(): void {
    this.#found = none();
    this.#shard = 0;
    this.#row = 1;
  }
}

function none(): Mutable {
  const sizes = new Array<number>(SIZE_STEPS).fill(0);
  const ages = new Array<number>(AGE_ENDS.length + 1).fill(0);
  return { counted: 0, sizes, ages, earlier: 0, raw: 0, sameFilled: 0, largest: [] };
}

function stepOf(bytes: number): number {
  const bits = 32 - Math.clz32(Math.max(0, bytes - 1));
  return Math.min(SIZE_STEPS - 1, Math.max(0, bits - SIZE_FIRST_BITS));
}

/** The key of the entry that is in this row now, and the bytes that it takes; null: none is. Takes its shard's lock. */
export function keyOfRow(
  { shards }: EngineInside,
  { shard, row }: SeenEntry,
): { key: Uint8Array; bytes: number } | null {
  const { words, rows, fragments } = shards[shard];
  return shards[shard].locked(() => {
    const at = rows.at(row);
    // The memory of rows that were given up is not there: to look at it would take it again, or fail.
    if (row >= words[W_HIGH_WATER] || (words[at + STATE] & KIND_MASK) !== KIND_ENTRY) return null;
    const key = new Uint8Array(words[at + NAME] & 0xffff);
    if (key.length > 0) fragments.read(row, 0, key.length, key, 0);
    return { key, bytes: bytesOf(words, at) };
  });
}

function bytesOf(words: Int32Array, at: number): number {
  return words[at + STORED] + (words[at + NAME] & 0xffff) + (words[at + NAME] >>> 16);
}
