import type { TagName } from "../backing/index.ts";
import { ownWords, show, ZbudError } from "../base/index.ts";
import { type Engine, type FoundEntry, type SecondaryIndex, touchedAtRandom } from "../engine/index.ts";
import { Reach } from "../memory/index.ts";
import type { StoredEntry } from "../record/index.ts";
import { EncodedKey } from "./key.ts";

/** Tags of one entry at most. */
export const TAGS_MAX = 8;
/** Bytes of a tag in an entry's head: the two words of its hash. */
export const TAG_BYTES = 8;

/*
 * Which entries have a tag: in each shard, beside its entries, lists under the same lock.
 *
 *   word 0   free nodes, the first (+ 1)       word 1   nodes ever used
 *   word 2   entries with tags on no list      word 3   unused
 *   buckets  by hash of the tag: the first node (+ 1)
 *   rows     2 words each: the entry's first node (+ 1), or UNLISTED, or 0; the entry's version
 *   nodes    6 words each, see below
 *
 * There is a node for each row. Entries with more tags than one take those of entries without; when there are
 * no more, an entry stays unlisted: then this shard is searched by its entries' heads, which hold their tags.
 *
 * Invariants: the nodes of a bucket are those of entries with a tag of that hash, each once; word 2 is the
 * number of rows that say UNLISTED.
 */
const FREE = 0;
const USED = 1;
const UNLISTED_COUNT = 2;
const HEADER_WORDS = 4;
const UNLISTED = -1;
const ROW_WORDS = 2;
const NODE_WORDS = 6;
const LOW = 0;
const HIGH = 1;
const NEXT = 2;
const PREVIOUS = 3;
const ROW = 4;
const NEXT_OF_ROW = 5;

/** Rows and versions of entries, in a list that grows and is used again. */
interface RowList {
  words: Int32Array;
  /** Pairs of row and version. */
  count: number;
}

export class TagLists implements SecondaryIndex {
  readonly #tag = new EncodedKey();
  /** Of each shard, by its table: which nodes can be touched. */
  readonly #nodes: WeakMap<Int32Array, Reach> = new WeakMap();

  words(rows: number): number {
    return HEADER_WORDS + bucketsOf(rows) + rows * (ROW_WORDS + NODE_WORDS);
  }

  /**
   * Writes the hashes of tags to the start of `head`.
   *
   * @returns bytes written.
   * @throws {ZbudError} `EINVAL` if they are not at most 8 strings of at most 65,535 bytes.
   */
  encode(tags: readonly string[], head: Uint8Array): number {
    if (!Array.isArray(tags) || tags.length > TAGS_MAX) {
      throw new ZbudError(
        "EINVAL",
        `tags must be an array of at most ${TAGS_MAX} strings, not ${show(tags)}`,
      );
    }
    const { bytes } = wordBytes;
    let length = 0;
    for (const tag of tags) {
      this.#hash(tag);
      const [low, high] = [this.#tag.k0, this.#tag.k1];
      if (findTag(head, 0, length, low, high)) continue;
      wordBytes.words[0] = low;
      wordBytes.words[1] = high;
      for (let i = 0; i < TAG_BYTES; i++) head[length + i] = bytes[i];
      length += TAG_BYTES;
    }
    return length;
  }

  inserted(table: Int32Array, at: number, rows: number, row: number, entry: FoundEntry): void {
    if (entry.headLength === 0 && isUnused(table, at)) return;
    const place = placeOf(at, rows, row);
    table[place] = 0;
    table[place + 1] = entry.version;
    const end = entry.prefixLength + entry.headLength;
    for (let head = entry.prefixLength; head < end; head += TAG_BYTES) {
      const node = this.#takeNode(table, at, rows);
      if (node < 0) {
        this.#unlist(table, at, rows, place);
        table[place] = UNLISTED;
        table[at + UNLISTED_COUNT]++;
        return;
      }
      readWords(entry.bytes, head);
      this.#link(table, at, rows, node, row, place);
    }
  }

  removed(table: Int32Array, at: number, rows: number, row: number): void {
    if (isUnused(table, at)) return;
    const place = placeOf(at, rows, row);
    if (table[place] === UNLISTED) table[at + UNLISTED_COUNT]--;
    else this.#unlist(table, at, rows, place);
    table[place] = 0;
  }

  reset(table: Int32Array, at: number, rows: number, used: number): void {
    table.fill(0, at, at + this.fixedWords(rows));
    table.fill(0, placeOf(at, rows, 0), placeOf(at, rows, used));
  }

  fixedWords(rows: number): number {
    return HEADER_WORDS + bucketsOf(rows);
  }

  touchedBytes(table: Int32Array, at: number, rows: number, used: number, puts: number): number {
    if (isUnused(table, at)) return 4 * HEADER_WORDS;
    const words = HEADER_WORDS + ROW_WORDS * used + NODE_WORDS * table[at + USED];
    return 4 * words + touchedAtRandom(4 * bucketsOf(rows), puts);
  }

  rowArray(rows: number): readonly [number, number] {
    return [this.fixedWords(rows), ROW_WORDS];
  }

  /**
   * Adds the entries with a tag to `into`, at the shard whose secondary index words these are. The shard's lock is
   * held.
   *
   * @returns false if not all could be found this way: then search the shard's entries with {@link hasTag}.
   */
  find(table: Int32Array, at: number, rows: number, { k0, k1 }: TagName, into: RowList): boolean {
    let node = table[at + HEADER_WORDS + (k0 & (bucketsOf(rows) - 1))] - 1;
    while (node >= 0) {
      const word = wordOf(at, rows, node);
      if (table[word + LOW] === k0 && table[word + HIGH] === k1) {
        const row = table[word + ROW];
        add(into, row, table[placeOf(at, rows, row) + 1]);
      }
      node = table[word + NEXT] - 1;
    }
    return table[at + UNLISTED_COUNT] === 0;
  }

  /** Whether an entry with these bytes (prefix, head, value) has the tag. */
  hasTag(entry: FoundEntry, { k0, k1 }: TagName): boolean {
    return findTag(entry.bytes, entry.prefixLength, entry.prefixLength + entry.headLength, k0, k1);
  }

  /** One word of the tag's hash. */
  hash(tag: string): number {
    this.#hash(tag);
    return this.#tag.k0;
  }

  /** A tag by its hash. */
  name(tag: string): TagName {
    this.#hash(tag);
    return { k0: this.#tag.k0, k1: this.#tag.k1 };
  }

  /** Puts the words of a tag's hash into the key of this object. */
  #hash(tag: string): void {
    if (typeof tag !== "string" || !this.#tag.encode(tag)) {
      throw new ZbudError(
        "EINVAL",
        `a tag must be a string of at most 65,535 bytes as UTF-8, not ${show(tag)}`,
      );
    }
  }

  #takeNode(table: Int32Array, at: number, rows: number): number {
    const free = table[at + FREE] - 1;
    if (free >= 0) {
      table[at + FREE] = table[wordOf(at, rows, free) + NEXT];
      return free;
    }
    const used = table[at + USED];
    if (used === rows || !this.#hasRoom(table, at, rows, used)) return -1;
    table[at + USED] = used + 1;
    return used;
  }

  /** Whether a node that was never used can be touched. */
  #hasRoom(table: Int32Array, at: number, rows: number, node: number): boolean {
    let nodes = this.#nodes.get(table);
    if (nodes === undefined) {
      nodes = new Reach(table.buffer, [[4 * wordOf(at, rows, 0), 4 * NODE_WORDS]]);
      this.#nodes.set(table, nodes);
    }
    return node < nodes.end || nodes.extend(node);
  }

  /** The tag's words are in `wordBytes`. */
  #link(table: Int32Array, at: number, rows: number, node: number, row: number, place: number): void {
    const word = wordOf(at, rows, node);
    const [low, high] = wordBytes.words;
    const bucket = at + HEADER_WORDS + (low & (bucketsOf(rows) - 1));
    const next = table[bucket];
    table[word + LOW] = low;
    table[word + HIGH] = high;
    table[word + NEXT] = next;
    table[word + PREVIOUS] = 0;
    table[word + ROW] = row;
    table[word + NEXT_OF_ROW] = table[place];
    if (next !== 0) table[wordOf(at, rows, next - 1) + PREVIOUS] = node + 1;
    table[bucket] = node + 1;
    table[place] = node + 1;
  }

  /** Frees the nodes of an entry. */
  #unlist(table: Int32Array, at: number, rows: number, place: number): void {
    let node = table[place] - 1;
    while (node >= 0) {
      const word = wordOf(at, rows, node);
      const next = table[word + NEXT];
      const previous = table[word + PREVIOUS];
      if (next !== 0) table[wordOf(at, rows, next - 1) + PREVIOUS] = previous;
      if (previous !== 0) table[wordOf(at, rows, previous - 1) + NEXT] = next;
      else table[at + HEADER_WORDS + (table[word + LOW] & (bucketsOf(rows) - 1))] = next;
      table[word + NEXT] = table[at + FREE];
      table[at + FREE] = node + 1;
      node = table[word + NEXT_OF_ROW] - 1;
    }
  }
}

/** A power of two; small, since tables of buckets are touched at random. */
function bucketsOf(rows: number): number {
  return 1 << Math.max(2, 30 - Math.clz32(rows));
}

function placeOf(at: number, rows: number, row: number): number {
  return at + HEADER_WORDS + bucketsOf(rows) + row * ROW_WORDS;
}

function wordOf(at: number, rows: number, node: number): number {
  return at + HEADER_WORDS + bucketsOf(rows) + rows * ROW_WORDS + node * NODE_WORDS;
}

/** Two words and their bytes: tags lie unaligned in heads. */
const wordBytes = (() => {
  const words = new Int32Array(2);
  return { words, bytes: new Uint8Array(words.buffer) };
})();

function readWords(bytes: Uint8Array, at: number): void {
  for (let i = 0; i < TAG_BYTES; i++) wordBytes.bytes[i] = bytes[at + i];
}

/** The tags that lie in the head of an entry with these bytes. */
export function tagsIn({ bytes, prefixLength, headLength }: StoredEntry): TagName[] {
  return Array.from({ length: headLength / TAG_BYTES }, (_, i) => {
    readWords(bytes, prefixLength + TAG_BYTES * i);
    return { k0: wordBytes.words[0], k1: wordBytes.words[1] };
  });
}

/** What {@link TagLists.hash} gives of the tag whose hash lies at `at` in an entry's head. */
export function hashAt(bytes: Uint8Array, at: number): number {
  readWords(bytes, at);
  return wordBytes.words[0];
}

function findTag(bytes: Uint8Array, start: number, end: number, low: number, high: number): boolean {
  for (let at = start; at < end; at += TAG_BYTES) {
    readWords(bytes, at);
    if (wordBytes.words[0] === low && wordBytes.words[1] === high) return true;
  }
  return false;
}

function add(list: RowList, row: number, version: number): void {
  if (list.count * 2 === list.words.length) {
    const longer = ownWords(Math.max(256, list.words.length * 2));
    longer.set(list.words);
    list.words = longer;
  }
  list.words[list.count * 2] = row;
  list.words[list.count * 2 + 1] = version;
  list.count++;
}

/** Removes all entries with a tag, shard by shard. How many there were. */
export function removeTagged(engine: Engine, tags: TagLists, tag: TagName): number {
  const found: RowList = { words: new Int32Array(0), count: 0 };
  let removed = 0;
  for (let shard = 0; shard < engine.shardCount; ) {
    found.count = 0;
    let complete = true;
    engine.visitSecondaryIndex(shard, (table, at, count) => {
      complete = tags.find(table, at, count, tag, found);
    });
    const rows = complete
      ? found.words.subarray(0, 2 * found.count)
      : engine.rowsOf(shard, (entry) => tags.hasTag(entry, tag));
    let missed = 0;
    for (let i = 0; i < rows.length; i += 2) {
      if (engine.removeRow(shard, rows[i], rows[i + 1])) removed++;
      else missed++;
    }
    // One that another thread moved, or compressed anew, has the tag still, and another row.
    if (missed === 0) shard++;
  }
  return removed;
}

/** Whether no entry ever had a tag: then the rows here say nothing, and take no memory. */
function isUnused(table: Int32Array, at: number): boolean {
  return table[at + USED] === 0 && table[at + UNLISTED_COUNT] === 0;
}
