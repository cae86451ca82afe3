import { ZbudError } from "../base/index.ts";
import { type AnyCache, isKept } from "./keys.ts";

/** Records over which tags are spread by their hash. */
const BUCKETS = 64;
/** Tags that a record names; of those beyond, only the newest time is kept, as the record's floor. */
const ROWS_MAX = 256;
/** How often a record is looked at again before it counts as lost: another thread may be in the middle of its update. */
const LOOKS = 50;
/** How often an update begins anew because another thread's came between. */
const TRIES = 20;
/** A time so far ahead of the clock comes from nobody. */
const AHEAD_MS = 60_000;

/* In the cache a record is an array of doubles: its id and floor, and for each tag a row of hash, hard, soft and due. */
const HEADER = 2;
const ROW = 4;
const WORD_BYTES = Float64Array.BYTES_PER_ELEMENT;

/** When a tag was revalidated. All are in ms since 1970; 0 is never. */
interface TagTimes {
  /** Entries made before this are gone. */
  hard: number;
  /** Entries made before this are stale, and gone once `due` has come. */
  soft: number;
  due: number;
}

/** What is known of the tags of some hashes. */
interface TagRecord {
  /** No two that differ have the same. */
  readonly id: number;
  /** When a tag that is not named was revalidated at the latest. */
  readonly floor: number;
  /** By the hash of the tag, in the order of revalidation. */
  readonly rows: ReadonlyMap<number, TagTimes>;
}

const NEVER: TagTimes = { hard: 0, soft: 0, due: 0 };
const LOST: TagTimes = { hard: Number.POSITIVE_INFINITY, soft: 0, due: 0 };

/**
 * When each tag was last revalidated, known to all threads and processes by records in the cache: 64, each with the tags of some
 * hashes. Two tags of one hash count as one, so that either's revalidation takes the entries of both.
 *
 * A record is there from the start. One that is missing was evicted, or refused, or could not be read: all of its
 * tags then count as revalidated at the time when that is found. It has a floor for that, which stands for all tags
 * that it does not name.
 *
 * Threads change a record without a lock; the cache only sets and gets. An update has an id that no other has, and
 *
 *   1. writes it as the turn, which is one for all records;
 *   2. reads the record, adds its times, and writes it with the id, if the turn is still its own;
 *   3. looks at the turn once more. If it is still its own, it writes the id as the record's seal; else it begins
 *      anew with another id.
 *
 * A record counts only if its seal is its id. Then no update is lost that has returned. Say U has, and V writes the
 * record later, without U's times, so it read the record before U wrote it. If V took its turn before U took its own,
 * V's look at the turn comes too late and V does not seal; if V took it after, then U's look did. Either way the record
 * has no seal, and counts as lost.
 */
export class TagClock {
  readonly #cache: AnyCache;
  readonly #key: string;
  readonly #clock: () => number;
  /** Records as this thread read them last: those with the same id need not be read word by word again. */
  readonly #read: (TagRecord | undefined)[] = new Array<undefined>(BUCKETS).fill(undefined);

  /**
   * Makes the records that are not there: what was revalidated by threads that are gone, nobody knows.
   *
   * @param clock - milliseconds since 1970, the same for all who have the cache.
   */
  constructor(cache: AnyCache, key: string, clock: () => number) {
    this.#cache = cache;
    this.#key = key;
    this.#clock = clock;
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#record(bucket);
  }

  /** @param expireMs - how long entries of these tags may still be given, as stale ones. */
  revalidate(tags: readonly string[], expireMs: number): void {
    const now = this.#clock();
    const times = expireMs > 0 ? { hard: 0, soft: now, due: now + expireMs } : { hard: now, soft: 0, due: 0 };
    const hashes = new Map<number, Set<number>>();
    for (const tag of tags) {
      const hash = hashOf(tag);
      const bucket = hash % BUCKETS;
      const others = hashes.get(bucket);
      if (others === undefined) hashes.set(bucket, new Set([hash]));
      else others.add(hash);
    }
    for (const [bucket, added] of hashes) this.#update(bucket, added, times);
  }

  /** Keeps the records of these tags among the most recently used, as their entry is. */
  touch(tags: readonly string[]): void {
    for (const tag of tags) this.#record(hashOf(tag) % BUCKETS);
  }

  /**
   * Entries made before `gone` are gone, and those made before `stale` are stale, if they have any of these tags.
   * `Infinity` where the cache keeps no record.
   */
  before(tags: readonly string[]): { gone: number; stale: number } {
    let gone = 0;
    let stale = 0;
    for (const tag of tags) {
      const hash = hashOf(tag);
      const record = this.#record(hash % BUCKETS);
      const { hard, soft } = record === null ? LOST : timesOf(record, hash, this.#clock());
      gone = Math.max(gone, hard);
      stale = Math.max(stale, hard, soft);
    }
    return { gone, stale };
  }

  /** A record; made anew if it was lost, or null if the cache does not keep it: then all of its tags are revalidated. */
  #record(bucket: number): TagRecord | null {
    return this.#sealed(bucket) ?? this.#update(bucket, [], NEVER);
  }

  /** A record as it is, if it has its seal. */
  #sealed(bucket: number): TagRecord | null {
    for (let look = 0; look < LOOKS; look++) {
      const value = this.#cache.get(`${this.#key} ${bucket}`);
      if (value === undefined) return null;
      const record = recordOf(value, this.#read[bucket], this.#clock());
      if (record === null) return null;
      this.#read[bucket] = record;
      if (this.#cache.get(`${this.#key} seal ${bucket}`) === record.id) return record;
    }
    return null;
  }

  /** Adds times to a record. What it is then; null if it is not there: then all of its tags count as revalidated. */
  #update(bucket: number, hashes: Iterable<number>, times: TagTimes): TagRecord | null {
    const cache = this.#cache;
    const turn = `${this.#key} turn`;
    const key = `${this.#key} ${bucket}`;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const id = newId();
      if (!isKept(cache.set(turn, id, { ttl: 0 }))) break;
      // The clock is asked after the look: what was revalidated until then is before this.
      const found = this.#sealed(bucket);
      const record = changed(found, id, hashes, times, this.#clock());
      if (cache.get(turn) !== id) continue;
      if (!isKept(cache.set(key, bytesOf(record), { ttl: 0 }))) break;
      if (cache.get(turn) !== id) continue;
      if (!isKept(cache.set(`${this.#key} seal ${bucket}`, id, { ttl: 0 }))) break;
      return record;
    }
    // Refused, or never its turn. This one's turn, even refused, has ended those of others, so none of them seals
    // what it read before; without the record all of its tags count as revalidated.
    cache.delete(turn);
    cache.delete(key);
    return null;
  }
}

/** The times of a tag in a record. */
function timesOf({ floor, rows }: TagRecord, hash: number, now: number): TagTimes {
  const { hard, soft } = settled(rows.get(hash) ?? NEVER, now);
  return { hard: Math.max(hard, floor), soft, due: 0 };
}

/** A record with times added; the tags beyond what it can name are dropped, from the oldest. */
function changed(
  record: TagRecord | null,
  id: number,
  hashes: Iterable<number>,
  times: TagTimes,
  now: number,
): TagRecord {
  const rows = new Map<number, TagTimes>();
  let floor = record?.floor ?? now;
  for (const [hash, row] of record?.rows ?? []) rows.set(hash, settled(row, now));
  for (const hash of hashes) {
    const merged = merge(rows.get(hash) ?? NEVER, times);
    rows.delete(hash);
    rows.set(hash, merged);
  }
  for (const [hash, { hard, soft }] of rows) {
    if (rows.size <= ROWS_MAX) break;
    rows.delete(hash);
    floor = Math.max(floor, hard, soft);
  }
  return { id, floor, rows };
}

/** Nothing is given for longer than either of the two allows. */
function merge(a: TagTimes, b: TagTimes): TagTimes {
  const soft = Math.max(a.soft, b.soft);
  const due = Math.min(a.due || Number.POSITIVE_INFINITY, b.due || Number.POSITIVE_INFINITY);
  return { hard: Math.max(a.hard, b.hard), soft, due: soft > 0 ? due : 0 };
}

/** What was due is done. */
function settled({ hard, soft, due }: TagTimes, now: number): TagTimes {
  if (due === 0 || due > now) return { hard, soft, due };
  return { hard: Math.max(hard, soft), soft: 0, due: 0 };
}

/**
 * A record from the cache, or null for what no handler wrote: a snapshot may come from anywhere.
 *
 * @param before - the same record as it was read before.
 */
function recordOf(value: unknown, before: TagRecord | undefined, now: number): TagRecord | null {
  if (!(value instanceof Uint8Array)) return null;
  const count = (value.length / WORD_BYTES - HEADER) / ROW;
  if (!Number.isInteger(count) || count < 0 || count > ROWS_MAX) return null;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const word = (at: number): number => view.getFloat64(at * WORD_BYTES, true);
  const [id, floor] = [word(0), word(1)];
  if (id === before?.id) return before;
  const isTime = (time: number): boolean => time >= 0 && time <= now + AHEAD_MS;
  if (!isTime(floor)) return null;
  const rows = new Map<number, TagTimes>();
  for (let at = HEADER; at < HEADER + count * ROW; at += ROW) {
    const times = { hard: word(at + 1), soft: word(at + 2), due: word(at + 3) };
    if (!isTime(times.hard) || !isTime(times.soft) || !(times.due >= 0)) return null;
    rows.set(word(at), times);
  }
  return { id, floor, rows };
}

function bytesOf({ id, floor, rows }: TagRecord): Uint8Array {
  const view = new DataView(new ArrayBuffer((HEADER + rows.size * ROW) * WORD_BYTES));
  let at = 0;
  const put = (word: number): void => {
    view.setFloat64(at, word, true);
    at += WORD_BYTES;
  };
  put(id);
  put(floor);
  for (const [hash, { hard, soft, due }] of rows) {
    put(hash);
    put(hard);
    put(soft);
    put(due);
  }
  return new Uint8Array(view.buffer);
}

/** A number that no other update of any thread has. */
function newId(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high & 0x1f_ffff) * 2 ** 32 + low;
}

/** FNV-1a over the tag's characters. */
function hashOf(tag: string): number {
  if (typeof tag !== "string") throw new ZbudError("EINVAL", `a tag is a string, not ${typeof tag}`);
  let hash = 0x811c_9dc5;
  for (let i = 0; i < tag.length; i++) hash = Math.imul(hash ^ tag.charCodeAt(i), 0x0100_0193);
  return hash >>> 0;
}
