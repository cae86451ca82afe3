import {
  type LockMemory,
  lockableBufferOf,
  memoryBehind,
  newLockMemory,
  noteProcessMemory,
  type Places,
  show,
  ZbudError,
} from "../base/index.ts";
import type { SharedMemory } from "./page-memory.ts";
import { SegmentArea, type SegmentFile, segmentAreaOf } from "./segment-area.ts";
import {
  draftPath,
  fs,
  inFolder,
  noRoom,
  prepareSegmentFolder,
  removeDrafts,
  segmentFault,
  segmentFolder,
  segmentPath,
} from "./segment-folder.ts";
import {
  type Agreement,
  AREAS_AT,
  AREAS_MAX,
  type AreaPlace,
  CONTROL_AT,
  DESCRIPTION_BYTES_MAX,
  decodeSegmentHeader,
  encodeSegmentHeader,
  type SegmentDescription,
  type SegmentHeader,
} from "./segment-header.ts";
import { bootId, MAP_UNIT, systemOf } from "./system.ts";

/** What is to be made or joined. */
export interface SegmentWish {
  /** The name or path, as the user gave it. */
  readonly name: unknown;
  readonly kind: SegmentDescription["kind"];
  readonly layout: string;
  readonly agreement: Agreement;
  /** What to do where another one of this name is there: refuse, or put a new one in its place. */
  readonly whenDifferent: "reject" | "replace";
}

/** Ranges of bytes, from and to. */
type Ranges = readonly (readonly [number, number])[];

/** What is put into a new segment. */
export interface Content<Made> {
  readonly made: Made;
  /** What other threads need, as `share()` gives it. */
  readonly shared: unknown;
  /** The table of threads: its words, and the index of the first. */
  readonly threads: readonly [Int32Array, number];
}

/** A segment as a thread sends it to another one of its process. */
export interface SharedSegment {
  readonly path: string;
  readonly header: SegmentHeader;
  /** The areas, mapped: a memory where it is lockable, else a buffer. */
  readonly areas: readonly (LockMemory | SharedArrayBuffer)[];
  readonly control: SharedArrayBuffer;
}

/**
 * A file that several processes have as their memory: a header, and areas that are buffers of their own.
 *
 * A segment is made under another name and renamed when it is whole, so nobody ever sees half of one. Whoever replaces
 * one leaves the file before to those who use it, and it goes with the last of them.
 */
export class Segment implements SharedMemory, SegmentFile, Places {
  /** Open for room and locks. No mapping is of this descriptor: one would keep its locks after a close. */
  readonly descriptor: number;
  readonly committed: Float64Array;
  readonly #control: SharedArrayBuffer;
  readonly #places: AreaPlace[] = [];
  readonly #areas: SegmentArea[] = [];
  #end: number = AREAS_AT;
  #header: SegmentHeader | undefined;
  #isClosed = false;
  #path: string;

  private constructor(path: string, descriptor: number, control?: SharedArrayBuffer) {
    this.#path = path;
    this.descriptor = descriptor;
    const bytes = AREAS_AT - CONTROL_AT;
    this.#control = control ?? new SharedArrayBuffer(bytes, { maxByteLength: bytes });
    this.committed = new Float64Array(this.#control, 0, AREAS_MAX);
    if (control === undefined) this.#mapInto(this.#control, CONTROL_AT, bytes);
  }

  /**
   * Joins the segment of a name, or makes it if there is none.
   *
   * @param make - fills a new one, with buffers that it takes from it.
   * @param join - opens what another thread shared.
   * @throws {ZbudError} `ENOTSUP` where processes cannot share memory; `EINVAL` naming options that differ; `EEXIST` if
   *   the file is something else; `ENOMEM` if its file system has no room; `EACCES`, `ENOENT`, `EIO` of the file.
   */
  static open<Made>(
    wish: SegmentWish,
    make: (segment: Segment) => Content<Made>,
    join: (shared: unknown, segment: Segment) => Made,
  ): { made: Made; segment: Segment; isNew: boolean } {
    systemOf();
    const path = segmentPath("shared", wish.name);
    if (path.startsWith(`${segmentFolder()}/`)) prepareSegmentFolder();
    return inFolder(path, () => {
      const found = Segment.#find(path, wish);
      if (found !== null) {
        try {
          return { made: join(found.shared(), found), segment: found, isNew: false };
        } catch (error) {
          found.close();
          throw error;
        }
      }
      removeDrafts(path);
      return { ...Segment.#make(path, wish, make), isNew: true };
    });
  }

  /** The segment as another thread of this process sent it. */
  static adopt({ path, header, areas, control }: SharedSegment): Segment {
    const descriptor = openFile(path, false);
    if (!isFileOf(descriptor, header)) {
      fs().closeSync(descriptor);
      throw new ZbudError(
        "ENOENT",
        `the shared memory file ${show(path)} was replaced or removed meanwhile; open it by its name`,
      );
    }
    const segment = new Segment(path, descriptor, control);
    segment.#header = header;
    for (const [number, place] of header.description.areas.entries()) {
      const area = areas[number];
      const buffer = place.lockable ? lockableBufferOf(area) : area;
      segment.#add(place, buffer as SharedArrayBuffer);
    }
    return segment;
  }

  /** The header of a segment's file; or what else the file is. Null: there is none. */
  static look(path: string): SegmentHeader | "foreign" | "damaged" | "outdated" | null {
    let descriptor: number;
    try {
      descriptor = openFile(path, false);
    } catch (error) {
      if (((error as ZbudError).cause as NodeJS.ErrnoException)?.code === "ENOENT") return null;
      throw error;
    }
    try {
      return readHeader(descriptor);
    } finally {
      fs().closeSync(descriptor);
    }
  }

  /** The segment of a path, mapped for one who looks at it. Its header was found to be good. */
  static map(path: string, header: SegmentHeader): Segment {
    const descriptor = openFile(path, false);
    try {
      const segment = new Segment(path, descriptor);
      segment.#mapAreas(header);
      return segment;
    } catch (error) {
      fs().closeSync(descriptor);
      throw error;
    }
  }

  static #find(path: string, wish: SegmentWish): Segment | null {
    const header = Segment.look(path);
    if (header === null || header === "damaged" || header === "outdated") return null;
    if (header === "foreign") {
      throw new ZbudError(
        "EEXIST",
        `${show(path)} is another kind of file, and is left as it is; give another path, or remove it`,
      );
    }
    const { description } = header;
    if (description.kind !== wish.kind) {
      if (wish.whenDifferent === "replace") return null;
      throw new ZbudError(
        "EEXIST",
        `the shared memory ${show(wish.name)} holds a ${description.kind}, and not a ${wish.kind}; give another name, or whenDifferent: "replace"`,
      );
    }
    if (description.layout !== wish.layout) return null;
    const differences = differencesOf(description.agreement, wish.agreement);
    if (differences.length > 0) {
      if (wish.whenDifferent === "replace") return null;
      throw new ZbudError(
        "EINVAL",
        `the shared memory ${show(wish.name)} was made with other options: ${differences.join("; ")}. Give the same in all processes, or whenDifferent: "replace" to begin anew`,
      );
    }
    return Segment.map(path, header);
  }

  static #make<Made>(
    path: string,
    wish: SegmentWish,
    make: (segment: Segment) => Content<Made>,
  ): { made: Made; segment: Segment } {
    const draft = draftPath(path);
    const descriptor = openFile(draft, true);
    try {
      // Before anything is mapped: what lies behind a file's end cannot be touched.
      fs().ftruncateSync(descriptor, AREAS_AT);
      const segment = new Segment(draft, descriptor);
      const { made, shared, threads } = make(segment);
      segment.#publish(path, wish, shared, threads);
      fs().renameSync(draft, path);
      segment.#path = path;
      return { made, segment };
    } catch (error) {
      fs().closeSync(descriptor);
      fs().rmSync(draft, { force: true });
      if (error instanceof ZbudError) throw error;
      throw segmentFault(path, "cannot be made", error);
    }
  }

  buffer(bytes: number, touched: Ranges = [[0, bytes]]): SharedArrayBuffer {
    return this.#touchable(this.#newArea(bytes, false), touched);
  }

  lockable(bytes: number, touched: Ranges = [[0, bytes]]): SharedArrayBuffer {
    return this.#touchable(this.#newArea(bytes, true), touched);
  }

  pages(bytes: number): SharedArrayBuffer {
    return this.#newArea(bytes, false);
  }

  take(byte: number): boolean {
    return systemOf().tryLock(this.descriptor, byte);
  }

  give(byte: number): void {
    if (!this.#isClosed) systemOf().unlock(this.descriptor, byte);
  }

  isTaken(byte: number): boolean {
    return systemOf().isLocked(this.descriptor, byte);
  }

  /** What `share()` gave to whoever made it, with this thread's buffers. */
  shared(): unknown {
    return this.#revive(this.header.description.shared);
  }

  get path(): string {
    return this.#path;
  }

  get header(): SegmentHeader {
    return this.#header as SegmentHeader;
  }

  /** For another thread of this process, to {@link adopt}. */
  send(): SharedSegment {
    const areas = this.#areas.map(({ buffer }) => memoryBehind(buffer) ?? buffer);
    return { path: this.path, header: this.header, areas, control: this.#control };
  }

  /** The table of threads: its words, and the index of the first. */
  threads(): [Int32Array, number] {
    const [area, at] = this.header.description.threads;
    const { buffer } = this.#areas[area];
    return [new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4)), at];
  }

  /**
   * Makes sure that the file is as long as it was made, and has its name. It cannot know what happens a moment later.
   *
   * @throws {ZbudError} `EBADMSG` for one that was cut off; `ENOENT` for one that was removed or replaced.
   */
  check(): void {
    const { size, ino } = fs().fstatSync(this.descriptor);
    if (size < this.header.fileBytes) throw cutOff(this.#path);
    const isNamed = fs().existsSync(this.#path) && fs().statSync(this.#path).ino === ino;
    if (!isNamed) {
      throw new ZbudError(
        "ENOENT",
        `the shared memory file ${show(this.#path)} was removed or replaced: what is in it goes with the last process that has it; close this one, and open it by its name`,
      );
    }
  }

  /** Ends this thread's use: locks and descriptor. The memory stays mapped until the collector finds it unused. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    fs().closeSync(this.descriptor);
  }

  #newArea(bytes: number, lockable: boolean): SharedArrayBuffer {
    if (this.#places.length === AREAS_MAX)
      throw new ZbudError("EINVAL", `a shared memory has at most ${AREAS_MAX} areas; give fewer shards`);
    const place = { offset: this.#end, bytes, lockable };
    const word = CONTROL_AT + 8 * this.#places.length;
    if (!systemOf().allocate(this.descriptor, word, 8)) throw noRoom(this.#path);
    this.#end += Math.ceil(bytes / MAP_UNIT) * MAP_UNIT;
    fs().ftruncateSync(this.descriptor, this.#end);
    return this.#mapArea(place);
  }

  #mapArea(place: AreaPlace): SharedArrayBuffer {
    const { bytes, lockable, offset } = place;
    const mapped = Math.ceil(bytes / MAP_UNIT) * MAP_UNIT;
    const memory = lockable ? newLockMemory(mapped) : undefined;
    const buffer = memory ?? new SharedArrayBuffer(bytes, { maxByteLength: bytes });
    this.#mapInto(buffer, offset, lockable ? mapped : bytes);
    return this.#add(place, buffer);
  }

  #add(place: AreaPlace, buffer: SharedArrayBuffer): SharedArrayBuffer {
    const number = this.#areas.length;
    this.#places.push(place);
    this.#areas.push(new SegmentArea(this, number, place.offset, buffer));
    noteProcessMemory(buffer, new OffsetPlaces(this, place.offset));
    return buffer;
  }

  #touchable(buffer: SharedArrayBuffer, ranges: Ranges): SharedArrayBuffer {
    for (const [from, to] of ranges) {
      if (!segmentAreaOf(buffer)?.allocate(from, to)) throw noRoom(this.#path);
    }
    return buffer;
  }

  #mapAreas(header: SegmentHeader): void {
    this.#header = header;
    for (const place of header.description.areas) this.#mapArea(place);
  }

  /** A mapping keeps what it was made with open, and its locks: so it gets a descriptor of its own. */
  #mapInto(buffer: SharedArrayBuffer, offset: number, bytes: number): void {
    const descriptor = openFile(this.path, false);
    try {
      if (fs().fstatSync(descriptor).ino !== fs().fstatSync(this.descriptor).ino) {
        throw new ZbudError(
          "ENOENT",
          `the shared memory file ${show(this.#path)} was replaced meanwhile; try again`,
        );
      }
      if (!systemOf().map(buffer, descriptor, offset, bytes)) {
        throw new ZbudError(
          "ENOMEM",
          `the system does not map ${bytes} bytes of ${show(this.#path)}; lower maxBytes`,
        );
      }
    } finally {
      fs().closeSync(descriptor);
    }
  }

  #publish(
    path: string,
    wish: SegmentWish,
    shared: unknown,
    [words, at]: readonly [Int32Array, number],
  ): void {
    const description: SegmentDescription = {
      kind: wish.kind,
      layout: wish.layout,
      boot: bootId(),
      pid: globalThis.process.pid,
      agreement: wish.agreement,
      areas: this.#places,
      threads: [this.#areas.findIndex(({ buffer }) => buffer === words.buffer), at],
      shared: this.#strip(shared),
    };
    this.#header = { createdAt: Date.now(), fileBytes: this.#end, description };
    const bytes = encodeSegmentHeader(this.#header);
    if (bytes.length > DESCRIPTION_BYTES_MAX) {
      throw new ZbudError(
        "EINVAL",
        `the description of ${show(path)} takes ${bytes.length} bytes, and may take ${DESCRIPTION_BYTES_MAX}; give fewer shards`,
      );
    }
    fs().writeSync(this.descriptor, bytes, 0, bytes.length, 0);
  }

  /** Puts numbers of areas in the place of buffers, at any depth. */
  #strip(value: unknown): unknown {
    if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
    if (typeof value !== "object" || value === null) return value;
    const number = this.#areas.findIndex(({ buffer }) => buffer === value || memoryBehind(buffer) === value);
    if (number >= 0) return this.#areas[number].buffer === value ? { $buffer: number } : { $memory: number };
    if (value instanceof SharedArrayBuffer) {
      throw new ZbudError(
        "ENOTSUP",
        "a driver took memory that other processes cannot have; use a driver of this package",
      );
    }
    if (Array.isArray(value)) return value.map((each) => this.#strip(each));
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, this.#strip(each)]));
  }

  #revive(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map((each) => this.#revive(each));
    const { $buffer, $memory, $number } = value as Record<string, unknown>;
    if (typeof $buffer === "number") return this.#areas[$buffer].buffer;
    if (typeof $memory === "number") return memoryBehind(this.#areas[$memory].buffer);
    if (typeof $number === "string") return Number($number);
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, this.#revive(each)]));
  }
}

/** The segment that a buffer is part of, in this thread; undefined for memory of one process. */
export function segmentOf(buffer: ArrayBufferLike): Segment | undefined {
  return segmentAreaOf(buffer)?.file as Segment | undefined;
}

/**
 * What another thread sent, with its buffers: of what lies in a segment they are this thread's view of it from then on.
 *
 * @throws {ZbudError} `ENOENT` if the file was replaced or removed meanwhile.
 */
export function received<T>(shared: T): T {
  const { segment } = (shared ?? {}) as { segment?: SharedSegment };
  return segment === undefined ? shared : (Segment.adopt(segment).shared() as T);
}

/** Places in one area, by the bytes of its buffer. */
class OffsetPlaces implements Places {
  readonly #segment: Segment;
  readonly #offset: number;

  constructor(segment: Segment, offset: number) {
    this.#segment = segment;
    this.#offset = offset;
  }

  take(byte: number): boolean {
    return this.#segment.take(this.#offset + byte);
  }

  give(byte: number): void {
    this.#segment.give(this.#offset + byte);
  }

  isTaken(byte: number): boolean {
    return this.#segment.isTaken(this.#offset + byte);
  }
}

function openFile(path: string, isNew: boolean): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = fs().constants;
  try {
    return fs().openSync(path, O_RDWR | O_NOFOLLOW | (isNew ? O_CREAT | O_EXCL : 0), 0o600);
  } catch (cause) {
    throw segmentFault(path, isNew ? "cannot be made" : "cannot be opened", cause);
  }
}

function readHeader(descriptor: number): SegmentHeader | "foreign" | "damaged" | "outdated" {
  const { size } = fs().fstatSync(descriptor);
  // Somebody made room for one, or the file was cut off.
  if (size === 0) return "damaged";
  const bytes = new Uint8Array(Math.min(size, CONTROL_AT));
  fs().readSync(descriptor, bytes, 0, bytes.length, 0);
  const header = decodeSegmentHeader(bytes);
  if (typeof header === "string") return header;
  if (header.description.boot !== bootId()) return "outdated";
  return isWhole(header, size) ? header : "damaged";
}

/** Whether all that the header names lies in the file. */
function isWhole({ fileBytes, description }: SegmentHeader, size: number): boolean {
  const { areas, threads } = description;
  if (size < fileBytes || !Array.isArray(areas) || !Array.isArray(threads)) return false;
  return areas.every(({ offset, bytes }) => {
    return (
      Number.isSafeInteger(offset) &&
      offset % MAP_UNIT === 0 &&
      offset >= AREAS_AT &&
      offset + bytes <= fileBytes
    );
  });
}

function isFileOf(descriptor: number, { createdAt, description }: SegmentHeader): boolean {
  const header = readHeader(descriptor);
  if (typeof header === "string") return false;
  return header.createdAt === createdAt && header.description.pid === description.pid;
}

function differencesOf(there: Agreement, wanted: Agreement): string[] {
  const names = new Set([...Object.keys(there), ...Object.keys(wanted)]);
  const differs = [...names].filter((name) => there[name] !== wanted[name]);
  return differs.map((name) => `${name} is ${show(there[name])} there and ${show(wanted[name])} here`);
}

function cutOff(path: string): ZbudError {
  return new ZbudError(
    "EBADMSG",
    `the shared memory file ${show(path)} was cut off by somebody: do not touch what is in it; end the processes that use it, and remove it`,
  );
}
