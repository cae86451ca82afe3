import { faultOf, required } from "../backing/index.ts";
import { ZbudError } from "../base/index.ts";
import { codecById } from "../codecs/index.ts";
import type { CacheCore } from "./core.ts";
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES, entryBytes, readEntry, writeEntry } from "./entry-bytes.ts";
import { codecWith } from "./learn.ts";
import { DICTIONARY_SLOT } from "./options.ts";
import { decodeStored, type StoredEntry } from "./stored.ts";

/*
 * A file of entries, the least recently used first, so that they are used in the same order when it is read:
 *
 *   header   "zbudcach", version u32, codec id u32, dictionary bytes u32, crc of the dictionary u32, 0 u32,
 *            crc of this header u32
 *   the dictionary
 *   entries  length u32, crc u32, an entry as in `entry-bytes.ts`
 *   end      0xffffffff u32, entries u32, crc of all before in this line u32
 *
 * All checksums are CRC-32. A file without its end was cut off.
 */
const MAGIC = 0x6863_6163_6475_627an;
const VERSION = 1;
const HEADER_BYTES = 32;
const END = 0xffff_ffff;
const END_BYTES = 12;
/** What is gathered before it is written: short enough that an event loop does not notice. */
const CHUNK_BYTES = 2 ** 18;

/** Writes all entries. How many there were. */
export async function saveFile<V>(
  core: CacheCore<V>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const fs = required<typeof import("node:fs/promises")>("node:fs/promises", "save");
  const threadId = required<typeof import("node:worker_threads")>("node:worker_threads", "save").threadId;
  const temporary = `${path}.${process.pid}-${threadId}.tmp`;
  signal?.throwIfAborted();
  try {
    const file = await fs.open(temporary, "w");
    let count: number;
    try {
      count = await writeAll(core, (bytes) => file.writeFile(bytes), signal);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, path);
    return count;
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    if (signal?.aborted === true) throw signal.reason;
    throw faultOf(`saving the cache to ${path}`, error);
  }
}

async function writeAll<V>(
  core: CacheCore<V>,
  write: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { engine } = core;
  const view = new DataView(new ArrayBuffer(CHUNK_BYTES + ENTRY_BYTES_MAX + 8));
  const bytes = new Uint8Array(view.buffer);
  let count = 0;
  await write(header(core));
  let at = 0;
  for (let shard = 0; shard < engine.shardCount; shard++) {
    const rows = engine.rowsOf(shard);
    for (let i = rows.length - 2; i >= 0; i -= 2) {
      if (!engine.readRow(shard, rows[i], rows[i + 1])) continue;
      const length = entryBytes(engine.found);
      writeEntry(engine.found, view, at + 8);
      view.setUint32(at, length, true);
      view.setUint32(at + 4, crc32(bytes.subarray(at + 8, at + 8 + length)), true);
      at += 8 + length;
      count++;
      if (at < CHUNK_BYTES) continue;
      await write(bytes.subarray(0, at));
      signal?.throwIfAborted();
      at = 0;
    }
  }
  view.setUint32(at, END, true);
  view.setUint32(at + 4, count, true);
  view.setUint32(at + 8, crc32(bytes.subarray(at, at + 8)), true);
  await write(bytes.subarray(0, at + END_BYTES));
  return count;
}

function header<V>(core: CacheCore<V>): Uint8Array {
  const dictionary = core.learner.dictionary()?.slice() ?? new Uint8Array(0);
  const bytes = new Uint8Array(HEADER_BYTES + dictionary.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, core.codecId, true);
  view.setUint32(16, dictionary.length, true);
  view.setUint32(20, crc32(dictionary), true);
  view.setUint32(28, crc32(bytes.subarray(0, 28)), true);
  bytes.set(dictionary, HEADER_BYTES);
  return bytes;
}

/** Adds the entries of a file. How many. */
export async function loadFile<V>(
  core: CacheCore<V>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const fs = required<typeof import("node:fs/promises")>("node:fs/promises", "load");
  signal?.throwIfAborted();
  const since = core.leases.beginFile();
  try {
    const file = await fs.open(path, "r");
    try {
      return await readAll(core, new Reader(file), since, signal);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    if (error instanceof ZbudError)
      throw new ZbudError(error.code, `${path}: ${plain(error)}`, { cause: error });
    throw faultOf(`loading the cache from ${path}`, error);
  } finally {
    core.leases.endFile();
  }
}

async function readAll<V>(
  core: CacheCore<V>,
  reader: Reader,
  since: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const head = await reader.take(HEADER_BYTES);
  const view = viewOf(head);
  if (view.getBigUint64(0, true) !== MAGIC) throw damaged("it is not a saved cache");
  if (view.getUint32(28, true) !== crc32(head.subarray(0, 28))) throw damaged("its header is damaged");
  if (view.getUint32(8, true) !== VERSION) throw damaged(`its version is ${view.getUint32(8, true)}, not 1`);
  const codec = view.getUint32(12, true);
  const [length, sum] = [view.getUint32(16, true), view.getUint32(20, true)];
  if (length > 2 ** 30) throw damaged("its dictionary is too long");
  const dictionary = (await reader.take(length)).slice();
  if (crc32(dictionary) !== sum) throw damaged("its dictionary is damaged");
  const loader = new EntryLoader(core, codec, dictionary, since);
  let read = 0;
  let added = 0;
  for (;;) {
    const lead = (await reader.take(8)).slice();
    const [bytes, crc] = [viewOf(lead).getUint32(0, true), viewOf(lead).getUint32(4, true)];
    if (bytes === END) {
      const own = viewOf(await reader.take(4)).getUint32(0, true);
      if (own !== crc32(lead) || crc !== read) throw damaged("its end is damaged");
      return added;
    }
    if (bytes < ENTRY_HEADER_BYTES || bytes > ENTRY_BYTES_MAX) throw damaged(`entry ${read} is damaged`);
    const entry = await reader.take(bytes);
    if (crc32(entry) !== crc) throw damaged(`entry ${read} is damaged`);
    read++;
    if (loader.add(readEntry(entry))) added++;
    if (read % 256 === 0) signal?.throwIfAborted();
  }
}

/** Puts entries of one file, or one tier, into a cache: as they are if this cache has their codec. */
export class EntryLoader<V> {
  readonly #core: CacheCore<V>;
  readonly #codec: number;
  readonly #dictionary: Uint8Array;
  readonly #sameDictionary: boolean;
  readonly #guard: () => boolean;

  /**
   * @param codec - id of the codec that the dictionary is for.
   * @param since - what `leases.beginFile` gave: what was changed since then stays as it is.
   */
  constructor(core: CacheCore<V>, codec: number, dictionary: Uint8Array, since: number) {
    this.#core = core;
    this.#codec = codec;
    this.#dictionary = dictionary;
    const { leases, key } = core;
    this.#guard = () => leases.fileHolds(since, key.k0, key.k1) && !core.tagsDeletedSince(since);
    if (dictionary.length > 0 && codec === core.codecId) core.adoptDictionary(dictionary);
    const own = core.learner.dictionary();
    this.#sameDictionary = own !== null && codec === core.codecId && equal(own, dictionary);
  }

  /** @returns whether it is in the cache now. */
  add(entry: StoredEntry): boolean {
    const core = this.#core;
    const now = core.clock();
    if (entry.expiresAt !== 0 && entry.expiresAt <= now) return false;
    const asIs =
      entry.sameFilled ||
      entry.codec === 0 ||
      (entry.codec === DICTIONARY_SLOT ? this.#sameDictionary : core.codecOfSlot(entry.codec) !== null);
    const value = asIs ? null : this.#decode(entry);
    core.leases.isReadingFile = true;
    let result: string;
    try {
      result =
        value === null
          ? core.putStored(entry, now, -1, this.#guard)
          : core.putDecoded(entry, value, now, this.#guard);
    } finally {
      core.leases.isReadingFile = false;
    }
    // As after a set.
    if (result !== "stale") core.tier?.drop(core.key);
    return isIn(result);
  }

  #decode(entry: StoredEntry): Uint8Array {
    const isDictionarys = entry.codec === DICTIONARY_SLOT;
    const codec = isDictionarys
      ? codecWith(codecById(this.#codec).name, this.#dictionary)
      : codecById(entry.codec);
    return decodeStored(entry, codec);
  }
}

function isIn(result: string): boolean {
  return result === "stored" || result === "replaced";
}

/** Reads a file from its start in large pieces, and gives small ones. */
class Reader {
  readonly #file: { read(buffer: Uint8Array): Promise<{ bytesRead: number }> };
  #buffer: Uint8Array = new Uint8Array(CHUNK_BYTES);
  #start = 0;
  #end = 0;

  constructor(file: { read(buffer: Uint8Array): Promise<{ bytesRead: number }> }) {
    this.#file = file;
  }

  /**
   * The next bytes; valid until the next call.
   *
   * @throws {ZbudError} `EBADMSG` if there are not so many.
   */
  async take(length: number): Promise<Uint8Array> {
    while (this.#end - this.#start < length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      if (length > this.#buffer.length) {
        // A piece longer than the file is damage, not a reason to take memory for it: it grows as bytes come.
        const longer = new Uint8Array(Math.min(length, this.#buffer.length * 2));
        longer.set(this.#buffer.subarray(0, this.#end));
        this.#buffer = longer;
      }
      const { bytesRead } = await this.#file.read(this.#buffer.subarray(this.#end));
      if (bytesRead === 0) throw damaged("it was cut off");
      this.#end += bytesRead;
    }
    this.#start += length;
    return this.#buffer.subarray(this.#start - length, this.#start);
  }
}

function crc32(bytes: Uint8Array): number {
  return required<typeof import("node:zlib")>("node:zlib", "a saved cache").crc32(bytes);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function damaged(what: string): ZbudError {
  return new ZbudError("EBADMSG", `${what}; what was read before that is in the cache`);
}

/** A message without the code that ends it. */
function plain(error: ZbudError): string {
  return error.message.replace(/ \(\w+\)$/, "");
}
