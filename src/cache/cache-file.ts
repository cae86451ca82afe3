import { faultOf, replaceFile, required } from "../backing/index.ts";
import { crc32, nextTurn, ownBytes, show, ZbudError } from "../base/index.ts";
import { type Codec, codecById } from "../codecs/index.ts";
import { type Engine, LISTED_WORDS, listEntries, readListed } from "../engine/index.ts";
import {
  decodeRecord,
  decodeValue,
  encodeRecord,
  RECORD_HEADER_BYTES,
  recordBytes,
  recordBytesAt,
  type StoredEntry,
  sealRecord,
} from "../record/index.ts";
import { checkEntry, ENTRY_BYTES_MAX, mendTimes } from "./check-entry.ts";
import type { CacheCore } from "./core.ts";
import { codecWith } from "./dictionary-codec.ts";
import { type Dictionaries, dictionariesOf } from "./dictionary-lesson.ts";
import { kindOf } from "./expiry.ts";
import {
  isColdCodec,
  mayBeDictionary,
  needsDictionary,
  slotOf,
  takesDictionary,
  warmCodec,
} from "./options.ts";
import { DICTIONARIES_MAX } from "./shared-state.ts";
import { keepsBytes, ValueKind } from "./values.ts";

/*
 * A file of entries, the least recently used first, so that they are used in the same order when it is read:
 *
 *   header   "zbudcach", version u32, codec id u32, bytes of dictionaries u32, crc of these u32,
 *            0 u32, or of several dictionaries how many + 256 × the number of the one in use, crc of this header u32
 *   the dictionary; of several first the bytes of each as u32. Entries say by their codec which one they need
 *   entries  records as in `record-format.ts`, whose number in this file, from 0 on, is their sequence, and whose
 *            checksum begins with that of the header
 *   end      0xffffffff u32, entries u32, crc of all before in this line u32
 *
 * All checksums are CRC-32, those of dictionary and end begun with 0. A file without its end was cut off.
 */
const MAGIC = 0x6863_6163_6475_627an;
const VERSION = 2;
const HEADER_BYTES = 32;
const AT_MANY = 24;
const AT_HEADER_CRC = 28;
const END = 0xffff_ffff;
const END_BYTES = 12;
/** Values that are looked at in one turn of the event loop. */
const TURN_BYTES = 2 ** 21;
/** What is gathered before it is written: short enough that an event loop does not notice. */
const CHUNK_BYTES = 2 ** 18;
/** Room up to this length stays for the next entries: one of a block fits. */
const KEPT_BYTES_MAX = 2 ** 21;

/** Writes all entries. How many there were. */
export async function saveFile<V>(
  core: CacheCore<V>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  checkPath(path, "save");
  required("node:fs/promises", "save");
  try {
    let count = 0;
    await replaceFile(path, signal, async (write) => {
      count = await writeAll(core, write, signal);
    });
    return count;
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) throw error;
    if (core.engine.isClosed) throw closed(`saving the cache to ${show(path)}`, error);
    throw noPath(error)
      ? new ZbudError("ENOENT", `saving the cache to ${show(path)}: its folder is not there; make it first`, {
          cause: error,
        })
      : faultOf(`saving the cache to ${show(path)}`, error);
  }
}

async function writeAll<V>(
  core: CacheCore<V>,
  write: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { engine } = core;
  let bytes = new Uint8Array(2 * CHUNK_BYTES);
  const dictionaries = dictionariesOf(core.sharedState);
  const head = header(core.codecId, dictionaries);
  const fileNumber = viewOf(head).getUint32(AT_HEADER_CRC, true);
  let count = 0;
  await write(head);
  signal?.throwIfAborted();
  let at = 0;
  for (let shard = 0; shard < engine.shardCount; shard++) {
    const list = listEntries(engine, shard);
    for (let place = list.length - LISTED_WORDS; place >= 0; place -= LISTED_WORDS) {
      if (!readListed(engine, shard, list, place)) continue;
      mendTimes(engine.found);
      // A dictionary that came since the header was written is not in the file.
      if (needsDictionary(engine.found.codec) && slotOf(engine.found.codec) >= dictionaries.bytes.length)
        unpack(engine);
      const length = recordBytes(engine.found);
      if (at + length > bytes.length - END_BYTES) {
        const longer = new Uint8Array(at + length + END_BYTES);
        longer.set(bytes.subarray(0, at));
        bytes = longer;
      }
      encodeRecord(engine.found, count++, bytes, at);
      sealRecord(bytes, at, length, fileNumber);
      at += length;
      if (at < CHUNK_BYTES) continue;
      await write(bytes.subarray(0, at));
      signal?.throwIfAborted();
      at = 0;
      // What one long entry took is not kept for the others.
      if (bytes.length > KEPT_BYTES_MAX) bytes = new Uint8Array(2 * CHUNK_BYTES);
    }
  }
  const view = viewOf(bytes);
  view.setUint32(at, END, true);
  view.setUint32(at + 4, count, true);
  view.setUint32(at + 8, crc32(bytes.subarray(at, at + 8)), true);
  await write(bytes.subarray(0, at + END_BYTES));
  if (engine.found.bytes.length > KEPT_BYTES_MAX) engine.found.bytes = new Uint8Array(0);
  return count;
}

/** Makes an entry one that is kept as it is. */
function unpack(engine: Engine): void {
  const { found } = engine;
  const value = engine.decodeOwn();
  const start = found.prefixLength + found.headLength;
  const bytes = new Uint8Array(start + value.length);
  bytes.set(found.bytes.subarray(0, start));
  bytes.set(value, start);
  found.bytes = bytes;
  found.codec = 0;
  found.storedLength = value.length;
}

function header(codec: number, { current, bytes: all }: Dictionaries): Uint8Array {
  const table = all.length > 1 ? Uint32Array.from(all, ({ length }) => length) : new Uint32Array(0);
  const bytes = new Uint8Array(
    HEADER_BYTES + table.byteLength + all.reduce((sum, { length }) => sum + length, 0),
  );
  const view = viewOf(bytes);
  let at = HEADER_BYTES;
  for (const length of table) {
    view.setUint32(at, length, true);
    at += 4;
  }
  for (const each of all) {
    bytes.set(each, at);
    at += each.length;
  }
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, codec, true);
  view.setUint32(16, bytes.length - HEADER_BYTES, true);
  view.setUint32(20, crc32(bytes.subarray(HEADER_BYTES)), true);
  view.setUint32(AT_MANY, table.length > 0 ? table.length + 256 * current : 0, true);
  view.setUint32(AT_HEADER_CRC, crc32(bytes.subarray(0, AT_HEADER_CRC)), true);
  return bytes;
}

/** The dictionaries of a file, from what its header says of them. Null: that cannot be. */
function dictionariesIn(bytes: Uint8Array, many: number): Dictionaries | null {
  if (many === 0) return { current: 0, bytes: bytes.length === 0 ? [] : [bytes] };
  const [count, current] = [many % 256, many >>> 8];
  let at = 4 * count;
  if (count < 2 || count > DICTIONARIES_MAX || current >= count || at > bytes.length) return null;
  const view = viewOf(bytes);
  const all = Array.from({ length: count }, (_, slot) => {
    const end = at + view.getUint32(4 * slot, true);
    const each = bytes.slice(at, end);
    at = end;
    return each;
  });
  return at === bytes.length && all.every(({ length }) => length > 0) ? { current, bytes: all } : null;
}

/** Adds the entries of a file. How many. */
export async function loadFile<V>(
  core: CacheCore<V>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  checkPath(path, "load");
  const fs = required<typeof import("node:fs/promises")>("node:fs/promises", "load");
  signal?.throwIfAborted();
  const since = core.leases.beginFile();
  try {
    // To open a pipe would wait for whoever writes into it.
    const { size } = await regularFile(fs, path);
    const file = await fs.open(path, "r");
    try {
      const reader = new Reader(file);
      const loader = await readHead(core, reader, size, since);
      const start = reader.position;
      // All of it is looked at before any of it is taken.
      await readEntries(reader, loader.fileNumber, signal, (entry) => loader.check(entry));
      loader.adoptDictionary();
      reader.position = start;
      let added = 0;
      await readEntries(reader, loader.fileNumber, signal, (entry) => {
        if (loader.add(entry)) added++;
      });
      return added;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) throw error;
    if (core.engine.isClosed) throw closed(`loading the cache from ${show(path)}`, error);
    if (error instanceof ZbudError)
      throw new ZbudError(error.code, `loading the cache from ${show(path)}: ${plain(error)}`, {
        cause: error,
      });
    if (noPath(error)) {
      const what = "there is no such file; save() writes it, so at the first start there is none";
      throw new ZbudError("ENOENT", `loading the cache from ${show(path)}: ${what}`, { cause: error });
    }
    throw faultOf(`loading the cache from ${show(path)}`, error);
  } finally {
    core.leases.endFile();
  }
}

/** Whatever failed then: nobody can use this cache any more. */
function closed(doing: string, cause: unknown): ZbudError {
  return new ZbudError("ECLOSED", `${doing}: this cache was closed meanwhile; make or attach another`, {
    cause,
  });
}

function noPath(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ENOENT" && !(error instanceof ZbudError);
}

async function regularFile(
  fs: typeof import("node:fs/promises"),
  path: string,
): Promise<{ readonly size: number }> {
  const stats = await fs.stat(path);
  if (stats.isFile()) return stats;
  throw new ZbudError("EINVAL", "it is not a file; give the path of one that save() wrote");
}

async function readHead<V>(
  core: CacheCore<V>,
  reader: Reader,
  size: number,
  since: number,
): Promise<EntryLoader<V>> {
  const head = await reader.take(HEADER_BYTES);
  const view = viewOf(head);
  if (view.getBigUint64(0, true) !== MAGIC) throw damaged("it is not a saved cache");
  const fileNumber = view.getUint32(AT_HEADER_CRC, true);
  if (fileNumber !== crc32(head.subarray(0, AT_HEADER_CRC))) throw damaged("its header is damaged");
  const version = view.getUint32(8, true);
  if (version !== VERSION) throw damaged(`its version is ${version}, not ${VERSION}`);
  const codec = view.getUint32(12, true);
  const [length, sum, many] = [16, 20, AT_MANY].map((at) => view.getUint32(at, true));
  if (codec < 1 || codec > 255) throw damaged("its header has wrong numbers");
  if (length > 0 && !takesDictionary(codec))
    throw damaged(`codec ${codec} takes no dictionary, and it has one`);
  const { maxBytes } = core.settings;
  const fits = (bytes: number): boolean => mayBeDictionary(bytes, maxBytes);
  // Before memory is taken for it.
  if (!fits(many === 0 ? length : length / (2 * DICTIONARIES_MAX))) throw tooLong(length, maxBytes);
  if (length > size) throw damaged("it was cut off");
  const bytes = (await reader.take(length)).slice();
  if (crc32(bytes) !== sum) throw damaged("its dictionary is damaged");
  const dictionaries = dictionariesIn(bytes, many);
  if (dictionaries === null) throw damaged("its header has wrong numbers");
  for (const each of dictionaries.bytes) if (!fits(each.length)) throw tooLong(each.length, maxBytes);
  return new EntryLoader(core, codec, dictionaries, fileNumber, since);
}

function tooLong(bytes: number, maxBytes: number): ZbudError {
  return damaged(`its dictionary of ${bytes} bytes is too long for a cache of ${maxBytes}`);
}

/** Reads what comes behind the head, to the end of the file, and says at which entry something is wrong. */
async function readEntries(
  reader: Reader,
  fileNumber: number,
  signal: AbortSignal | undefined,
  take: (entry: StoredEntry) => void,
): Promise<void> {
  let decoded = 0;
  for (let read = 0; ; read++) {
    const lead = viewOf(await reader.look(END_BYTES));
    if (lead.getUint32(0, true) === END) {
      const end = await reader.take(END_BYTES);
      const isRight = lead.getUint32(8, true) === crc32(end.subarray(0, 8));
      if (!isRight || lead.getUint32(4, true) !== read || !(await reader.isAtEnd()))
        throw damaged("its end is damaged");
      return;
    }
    const length = recordBytesAt(await reader.look(RECORD_HEADER_BYTES));
    if (length === 0 || length > ENTRY_BYTES_MAX) throw damaged(`entry ${read} is damaged`);
    const decodedRecord = decodeRecord(await reader.take(length), fileNumber);
    if (decodedRecord?.sequence !== read) throw damaged(`entry ${read} is damaged`);
    const { record } = decodedRecord;
    try {
      checkEntry(record);
      decoded += record.length;
      take(record);
    } catch (error) {
      if (error instanceof ZbudError && error.code === "EBADMSG")
        throw damaged(`entry ${read}: ${plain(error)}`);
      throw error;
    }
    if (read % 256 === 0) signal?.throwIfAborted();
    if (decoded < TURN_BYTES) continue;
    decoded = 0;
    await new Promise<void>(nextTurn);
  }
}

/** Puts entries of one file into a cache: as they are if this cache has their codec. */
class EntryLoader<V> {
  /** With which the checksums of its records begin. */
  readonly fileNumber: number;
  readonly #core: CacheCore<V>;
  readonly #codec: number;
  readonly #dictionaries: Dictionaries;
  /** Of each of the file's dictionaries the slot that it has in this cache; -1: none. */
  #slots: number[] = [];
  /** By slot: whether an entry was found that has it. */
  readonly #isNeeded: boolean[] = [];
  readonly #codecsWithDictionary: Map<number, Codec> = new Map();

  readonly #guard: () => boolean;

  /**
   * @param codec - id of the codec that the dictionaries are for; one that takes dictionaries, if there is one.
   * @param since - what `leases.beginFile` gave: what was changed since then stays as it is.
   */
  constructor(
    core: CacheCore<V>,
    codec: number,
    dictionaries: Dictionaries,
    fileNumber: number,
    since: number,
  ) {
    this.fileNumber = fileNumber;
    this.#core = core;
    this.#codec = codec;
    this.#dictionaries = dictionaries;
    const { leases, key } = core;
    this.#guard = () => leases.fileHolds(since, key.k0, key.k1) && !core.tagsDeletedSince(since);
  }

  /**
   * Makes sure that the cache can give an entry's value once it has it.
   *
   * @throws {ZbudError} `EBADMSG` if it cannot.
   */
  check(entry: StoredEntry): void {
    const { codec, length, sameFilled } = entry;
    if (needsDictionary(codec)) this.#isNeeded[slotOf(codec)] = true;
    const kind = kindOf(entry.aux);
    if (kind === ValueKind.own && !this.#core.values.hasOwn) {
      throw new ZbudError(
        "EBADMSG",
        "its value was written with a serializer; make this cache with the same one to load it",
      );
    }
    const isParsed = kind === ValueKind.json || kind === ValueKind.own;
    if (!isParsed && (sameFilled || codec === 0)) return;
    const by = sameFilled || codec === 0 ? null : this.#codecOf(codec);
    const room = this.#core.borrow(length);
    try {
      const value = room.subarray(0, length);
      decodeValue(entry, by, value);
      // A serializer's bytes are its own to keep, and this room is not.
      if (isParsed) this.#core.values.decode(keepsBytes(kind) ? value.slice() : value, kind);
    } catch (cause) {
      throw new ZbudError("EBADMSG", `its value of ${length} bytes cannot be read`, { cause });
    } finally {
      this.#core.giveBack();
    }
  }

  /**
   * New values of the cache get the file's dictionary, if it has none of its own, and it has the others that entries need as
   * well. But one slot stays free to learn another, and what needs one that it has not is compressed anew.
   */
  adoptDictionary(): void {
    const { dictionary, engine, codecId, sharedState } = this.#core;
    const { current, bytes } = this.#dictionaries;
    if (bytes.length === 0 || this.#codec !== codecId) return;
    const others = bytes.filter((_, slot) => slot !== current && this.#isNeeded[slot]);
    dictionary.adopt(engine, [...others, bytes[current]]);
    const own = dictionariesOf(sharedState).bytes;
    this.#slots = bytes.map((each) => own.findIndex((one) => equal(one, each)));
  }

  /** @returns whether it is in the cache now. */
  add(entry: StoredEntry): boolean {
    const core = this.#core;
    const now = core.clock();
    if (entry.expiresAt !== 0 && entry.expiresAt <= now) return false;
    let value: Uint8Array | null = null;
    const number = this.#numberHere(entry);
    if (number >= 0) entry.codec = number;
    else {
      value = ownBytes(entry.length);
      decodeValue(entry, this.#codecOf(entry.codec), value);
    }
    core.leases.isReadingFile = true;
    let result: string;
    try {
      result =
        value === null
          ? core.putStored(entry, false, now, -1, this.#guard)
          : core.putDecoded(entry, value, now, this.#guard);
    } finally {
      core.leases.isReadingFile = false;
    }
    // As after a set.
    if (result !== "stale") core.dropBelow();
    return isIn(result);
  }

  /** The number of an entry's codec in this cache; -1: it has none that reads what is stored. */
  #numberHere({ codec, sameFilled }: StoredEntry): number {
    const core = this.#core;
    if (sameFilled || codec === 0) return codec;
    if (!needsDictionary(codec)) return core.codecNumbered(codec) === null ? -1 : codec;
    if (isColdCodec(codec) && !core.recompressesWithDictionary) return -1;
    const slot = this.#slots[slotOf(codec)] ?? -1;
    return slot < 0 ? -1 : warmCodec(slot) - (isColdCodec(codec) ? 1 : 0);
  }

  /** @throws {ZbudError} `EBADMSG` if there is none. */
  #codecOf(number: number): Codec {
    if (!needsDictionary(number)) {
      const codec = this.#core.codecNumbered(number);
      if (codec !== null) return codec;
      throw new ZbudError(
        "EBADMSG",
        `its codec ${number} is not known here; register it with registerCodec()`,
      );
    }
    const dictionary = this.#dictionaries.bytes[slotOf(number)];
    if (dictionary === undefined) throw new ZbudError("EBADMSG", "it needs a dictionary, and there is none");
    let codec = this.#codecsWithDictionary.get(number);
    if (codec === undefined) {
      codec = codecWith(codecById(this.#codec).name, dictionary, number);
      this.#codecsWithDictionary.set(number, codec);
    }
    return codec;
  }
}

function isIn(result: string): boolean {
  return result === "stored" || result === "replaced";
}

/** @throws {ZbudError} `EINVAL` for what is no path. */
function checkPath(path: unknown, what: string): void {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return;
  throw new ZbudError("EINVAL", `${what}() takes the path of a file, as a string, not ${show(path)}`);
}

/** The part of an open file that is read from. */
interface Source {
  read(buffer: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }>;
}

/** Reads a file from its start in large pieces, and gives small ones. */
class Reader {
  readonly #file: Source;
  #buffer: Uint8Array = new Uint8Array(CHUNK_BYTES);
  #start = 0;
  #end = 0;
  /** Where in the file the end of the buffer is. */
  #read = 0;

  constructor(file: Source) {
    this.#file = file;
  }

  /** Where in the file the next byte is. */
  get position(): number {
    return this.#read - (this.#end - this.#start);
  }

  set position(position: number) {
    this.#read = position;
    this.#start = 0;
    this.#end = 0;
  }

  /** Whether there is nothing more. */
  async isAtEnd(): Promise<boolean> {
    return (
      this.#start === this.#end &&
      (await this.#file.read(new Uint8Array(1), 0, 1, this.#read)).bytesRead === 0
    );
  }

  /** As {@link look}, and goes on behind them. */
  async take(length: number): Promise<Uint8Array> {
    const bytes = await this.look(length);
    this.#start += length;
    return bytes;
  }

  /**
   * The next bytes; valid until the next call of `take`, or of one for more.
   *
   * @throws {ZbudError} `EBADMSG` if there are not so many.
   */
  async look(length: number): Promise<Uint8Array> {
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
      const { bytesRead } = await this.#file.read(
        this.#buffer,
        this.#end,
        this.#buffer.length - this.#end,
        this.#read,
      );
      if (bytesRead === 0) throw damaged("it was cut off");
      this.#end += bytesRead;
      this.#read += bytesRead;
    }
    return this.#buffer.subarray(this.#start, this.#start + length);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function damaged(what: string): ZbudError {
  return new ZbudError("EBADMSG", `${what}; nothing of it was loaded`);
}

/** A message without the code that ends it. */
function plain(error: ZbudError): string {
  return error.message.replace(/ \(\w+\)$/, "");
}
