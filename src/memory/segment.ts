import {
  isSharedBuffer,
  type LockMemory,
  lockableBufferOf,
  memoryBehind,
  newLockMemory,
  noteProcessMemory,
  type Places,
  show,
  ZbudError,
} from "../base/index.ts";
import { fs } from "./node-fs.ts";
import { type SharedMemory, sharedPages } from "./page-memory.ts";
import { SegmentArea, type SegmentFile, segmentAreaOf } from "./segment-area.ts";
import {
  draftPath,
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
  unitsOf,
} from "./segment-header.ts";
import { bootId, systemOf } from "./system-calls.ts";

const CONTROL_BYTES = AREAS_AT - CONTROL_AT;
/** In the place of a descriptor. */
const CLOSED = -1;

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
  readonly committed: Float64Array;
  readonly #control: SharedArrayBuffer;
  readonly #places: AreaPlace[] = [];
  readonly #areas: SegmentArea[] = [];
  /** Open for room and locks. */
  #descriptor: number;
  /** Open while areas are mapped. A mapping keeps what it was made with open, and would keep its locks. */
  #mappingDescriptor = CLOSED;
  #end: number = AREAS_AT;
  #header: SegmentHeader | undefined;
  #path: string;

  private constructor(path: string, descriptor: number, control?: SharedArrayBuffer) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#control = control ?? sharedPages(CONTROL_BYTES);
    this.committed = new Float64Array(this.#control, 0, AREAS_MAX);
    dropped.register(this, descriptor, this);
  }

  /** Opens a segment by `act`, and closes it again if that throws. The descriptor is its own from here on. */
  static #opened<T>(
    path: string,
    descriptor: number,
    control: SharedArrayBuffer | undefined,
    act: (segment: Segment) => T,
  ): T {
    const segment = new Segment(path, descriptor, control);
    try {
      return act(segment);
    } catch (error) {
      segment.close();
      throw isOfSystem(error) ? segmentFault(path, "cannot be opened", error) : error;
    } finally {
      segment.#endMapping();
    }
  }

  /**
   * Joins the segment of a name, or makes it if there is none.
   *
   * @param make - fills a new one, with buffers that it takes from it.
   * @param join - opens what another thread shared, and takes a place there.
   * @param leave - undoes `join`: the file was removed or replaced before the place was taken, and nobody saw it. Without
   *   it `join` sees to that.
   * @throws {ZbudError} `ENOTSUP` where processes cannot share memory; `EINVAL` naming options that differ; `EEXIST` if
   *   the file is something else; `ENOMEM` if its file system has no room; `EACCES`, `ENOENT`, `EIO` of the file.
   */
  static open<Made>(
    wish: SegmentWish,
    make: (segment: Segment) => Content<Made>,
    join: (shared: unknown, segment: Segment) => Made,
    leave?: (made: Made) => void,
  ): { made: Made; segment: Segment; isNew: boolean } {
    systemOf();
    const path = segmentPath("shared", wish.name);
    if (path.startsWith(`${segmentFolder()}/`)) prepareSegmentFolder();
    for (;;) {
      // What has its name is whole, so whoever joins waits for nobody who makes one.
      const found =
        Segment.#findUnlocked(path, wish) ?? inFolder(path, () => Segment.#findOrMake(path, wish, make));
      if (!(found instanceof Segment)) return found;
      const joined = Segment.#join(found, join);
      if (leave === undefined || found.#isThere(() => leave(joined.made))) return joined;
    }
  }

  /**
   * The segment as another thread of this process sent it.
   *
   * @throws {ZbudError} `EINVAL` for what is none, or was copied on the way; `ENOENT` if its file was removed or
   *   replaced since.
   */
  static adopt(sent: SharedSegment): Segment {
    const { path, header, areas, control } = sent ?? {};
    const isWhole = typeof path === "string" && typeof header === "object" && Array.isArray(areas);
    if (!isWhole || !isSharedBuffer(control)) throw notSent(path);
    return Segment.#opened(path, openFile(path, false), control, (segment) => {
      if (!isFileOf(segment.descriptor, header)) throw replaced(path);
      segment.#header = header;
      for (const [number, place] of header.description.areas.entries()) {
        const buffer = place.lockable ? lockableBufferOf(areas[number]) : areas[number];
        if (!isSharedBuffer(buffer)) throw notSent(path);
        segment.#add(place, segmentAreaOf(buffer) === undefined ? buffer : anotherOf(buffer));
      }
      return segment;
    });
  }

  /** The header of a segment's file; or what else the file is. Null: there is none. */
  static look(path: string): SegmentHeader | "foreign" | "damaged" | "outdated" | null {
    const descriptor = openIfAny(path);
    if (descriptor === CLOSED) return null;
    try {
      return readHeader(descriptor);
    } finally {
      fs().closeSync(descriptor);
    }
  }

  /**
   * The segment of a path, mapped for one who looks at it.
   *
   * @param header - as {@link look} found it.
   * @throws {ZbudError} `ENOENT` if it was removed or replaced since; `ENOMEM`.
   */
  static map(path: string, header: SegmentHeader): Segment {
    const descriptor = openFile(path, false);
    if (isFileOf(descriptor, header)) return Segment.#map(path, descriptor, header);
    fs().closeSync(descriptor);
    throw replaced(path);
  }

  /** @param descriptor - of the file that has this header; the segment's from here on. */
  static #map(path: string, descriptor: number, header: SegmentHeader): Segment {
    return Segment.#opened(path, descriptor, undefined, (segment) => {
      segment.#mapControl();
      segment.#header = header;
      for (const place of header.description.areas) segment.#mapArea(place);
      return segment;
    });
  }

  static #join<Made>(
    segment: Segment,
    join: (shared: unknown, segment: Segment) => Made,
  ): { made: Made; segment: Segment; isNew: boolean } {
    try {
      return { made: join(segment.shared(), segment), segment, isNew: false };
    } catch (error) {
      segment.close();
      if (!(error instanceof TypeError) && !(error instanceof RangeError)) throw error;
      throw new ZbudError(
        "EBADMSG",
        `the shared memory file ${show(segment.path)} cannot be joined: ${error.message}; if that is not of a function that you gave, the file is damaged: end the processes that use it, and remove it`,
        { cause: error },
      );
    }
  }

  /** Whether it has its name still; if not, or if it is damaged, what was joined is left. */
  #isThere(leave: () => void): boolean {
    try {
      this.check();
      return true;
    } catch (error) {
      try {
        // Of a file that was cut off nothing is touched any more.
        if ((error as ZbudError).code !== "ENOENT") throw error;
        leave();
      } finally {
        this.close();
      }
      return false;
    }
  }

  static #findOrMake<Made>(
    path: string,
    wish: SegmentWish,
    make: (segment: Segment) => Content<Made>,
  ): Segment | { made: Made; segment: Segment; isNew: boolean } {
    const found = Segment.#find(path, wish);
    if (found !== null) return found;
    removeDrafts(path);
    return { ...Segment.#make(path, wish, make), isNew: true };
  }

  static #findUnlocked(path: string, wish: SegmentWish): Segment | null {
    try {
      return Segment.#find(path, wish);
    } catch (error) {
      // Replaced or removed meanwhile.
      if ((error as ZbudError).code === "ENOENT") return null;
      throw error;
    }
  }

  /** The segment of this path, mapped; null if a new one is to be made, in the place of what is there. */
  static #find(path: string, wish: SegmentWish): Segment | null {
    const descriptor = openIfAny(path);
    if (descriptor === CLOSED) return null;
    let header: SegmentHeader | null;
    try {
      header = wantedHeader(path, descriptor, wish);
    } catch (error) {
      fs().closeSync(descriptor);
      throw error;
    }
    if (header !== null) return Segment.#map(path, descriptor, header);
    fs().closeSync(descriptor);
    return null;
  }

  static #make<Made>(
    path: string,
    wish: SegmentWish,
    make: (segment: Segment) => Content<Made>,
  ): { made: Made; segment: Segment } {
    const draft = draftPath(path);
    const descriptor = openFile(draft, true);
    try {
      return Segment.#opened(draft, descriptor, undefined, (segment) => {
        // Before anything is mapped: what lies behind a file's end cannot be touched.
        fs().ftruncateSync(descriptor, AREAS_AT);
        if (!systemOf().canAllocate(descriptor, CONTROL_AT, 1)) {
          throw new ZbudError(
            "ENOTSUP",
            `the file system of ${show(path)} cannot set room aside (fallocate); give a bare name, or a path on tmpfs, ext4, XFS or Btrfs`,
          );
        }
        segment.#mapControl();
        return segment.#fill(path, wish, make);
      });
    } catch (error) {
      fs().rmSync(draft, { force: true });
      throw error;
    }
  }

  #fill<Made>(
    path: string,
    wish: SegmentWish,
    make: (segment: Segment) => Content<Made>,
  ): { made: Made; segment: Segment } {
    try {
      const { made, shared, threads } = make(this);
      this.#publish(path, wish, shared, threads);
      return { made, segment: this };
    } catch (error) {
      // The file keeps its room for as long as it is mapped, which is until the collector comes.
      for (const area of this.#areas) area.giveBack(0, area.buffer.byteLength);
      throw error;
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
    systemOf().unlock(this.descriptor, byte);
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

  /** Of no file once it is closed, so that calls fail that come too late. */
  get descriptor(): number {
    return this.#descriptor;
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
    const own = fs().fstatSync(this.descriptor);
    if (own.size < this.header.fileBytes) throw cutOff(this.#path);
    const named = fs().statSync(this.#path, { throwIfNoEntry: false });
    if (named === undefined || !isSame(own, named)) {
      throw new ZbudError(
        "ENOENT",
        `the shared memory file ${show(this.#path)} was removed or replaced: what is in it goes with the last process that has it; close this one, and open it by its name`,
      );
    }
  }

  /**
   * Takes its name from the file, if it still has it: whoever comes next makes another, and those who have it keep it.
   * Its folder is locked: see {@link inFolder}.
   */
  removeName(): void {
    const named = fs().statSync(this.#path, { throwIfNoEntry: false });
    if (named !== undefined && isSame(fs().fstatSync(this.descriptor), named)) fs().rmSync(this.#path);
  }

  /** Ends this thread's use: locks and descriptor. The memory stays mapped until the collector finds it unused. */
  close(): void {
    if (this.#descriptor === CLOSED) return;
    dropped.unregister(this);
    fs().closeSync(this.#descriptor);
    this.#descriptor = CLOSED;
  }

  #newArea(bytes: number, lockable: boolean): SharedArrayBuffer {
    const number = this.#places.length;
    if (number === AREAS_MAX)
      throw new ZbudError("EINVAL", `a shared memory has at most ${AREAS_MAX} areas; give fewer shards`);
    if (!systemOf().allocate(this.descriptor, CONTROL_AT + 8 * number, 8)) throw noRoom(this.#path);
    const memory = lockable ? newLockMemory(bytes) : undefined;
    const place = { offset: this.#end, bytes, lockable: memory !== undefined };
    this.#end += unitsOf(bytes);
    fs().ftruncateSync(this.descriptor, this.#end);
    return this.#mapArea(place, memory);
  }

  #mapArea(place: AreaPlace, memory?: SharedArrayBuffer): SharedArrayBuffer {
    const { bytes, lockable, offset } = place;
    const buffer = lockable ? (memory ?? newLockMemory(bytes)) : sharedPages(bytes);
    if (buffer === undefined) {
      throw new ZbudError(
        "ENOMEM",
        `there is no WebAssembly memory here for ${show(this.#path)}, as whoever made it has; raise the limit of addresses (ulimit -v), or leave --jitless out`,
      );
    }
    this.#mapInto(buffer, offset, buffer.byteLength);
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

  #mapControl(): void {
    this.#mapInto(this.#control, CONTROL_AT, CONTROL_BYTES);
  }

  #mapInto(buffer: SharedArrayBuffer, offset: number, bytes: number): void {
    if (this.#mappingDescriptor === CLOSED) {
      this.#mappingDescriptor = openFile(this.#path, false);
      const [own, other] = [this.descriptor, this.#mappingDescriptor].map((file) => fs().fstatSync(file));
      if (!isSame(own, other)) throw replaced(this.#path);
    }
    if (systemOf().map(buffer, this.#mappingDescriptor, offset, bytes)) return;
    throw new ZbudError(
      "ENOMEM",
      `the system does not map ${bytes} bytes of ${show(this.#path)}; lower maxBytes`,
    );
  }

  #endMapping(): void {
    if (this.#mappingDescriptor !== CLOSED) fs().closeSync(this.#mappingDescriptor);
    this.#mappingDescriptor = CLOSED;
  }

  /** Gives the segment, which is whole, its header and its name. */
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
    this.#header = {
      createdAt: performance.timeOrigin + performance.now(),
      fileBytes: this.#end,
      description,
    };
    const bytes = encodeSegmentHeader(this.#header);
    if (bytes.length > DESCRIPTION_BYTES_MAX) {
      throw new ZbudError(
        "EINVAL",
        `the description of ${show(path)} takes ${bytes.length} bytes, and may take ${DESCRIPTION_BYTES_MAX}; give fewer shards`,
      );
    }
    // What is on a file system that fills up at this moment may be written in part, without a word.
    if (fs().writeSync(this.descriptor, bytes, 0, bytes.length, 0) < bytes.length) throw noRoom(path);
    fs().renameSync(this.#path, path);
    this.#path = path;
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

/** The same memory as another buffer, for who opens it in the thread that has it open: each has a descriptor of its own. */
function anotherOf(buffer: SharedArrayBuffer): SharedArrayBuffer {
  const memory = memoryBehind(buffer);
  return memory === undefined
    ? structuredClone(buffer)
    : (lockableBufferOf(structuredClone(memory)) as SharedArrayBuffer);
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

/** Closes what was not closed before the collector found it unused. */
const dropped = new FinalizationRegistry<number>((descriptor) => fs().closeSync(descriptor));

function openFile(path: string, isNew: boolean): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = fs().constants;
  const flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | (isNew ? O_CREAT | O_EXCL : 0);
  try {
    return fs().openSync(path, flags, 0o600);
  } catch (cause) {
    throw segmentFault(path, isNew ? "cannot be made" : "cannot be opened", cause);
  }
}

/** Whether something was thrown by a call of the file system, or by the engine for want of addresses. */
function isOfSystem(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== undefined || code === "ERR_ACCESS_DENIED") return true;
  return error instanceof RangeError && code === undefined;
}

/** {@link CLOSED} if there is no such file. */
function openIfAny(path: string): number {
  try {
    return openFile(path, false);
  } catch (error) {
    const { code } = (error as ZbudError).cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return CLOSED;
    throw error;
  }
}

function isSame(one: { dev: number; ino: number }, other: { dev: number; ino: number }): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

function readHeader(descriptor: number): SegmentHeader | "foreign" | "damaged" | "outdated" {
  const stat = fs().fstatSync(descriptor);
  if (!stat.isFile()) return "foreign";
  // Somebody made room for one, or the file was cut off.
  if (stat.size === 0) return "damaged";
  const bytes = new Uint8Array(Math.min(stat.size, CONTROL_AT));
  fs().readSync(descriptor, bytes, 0, bytes.length, 0);
  const header = decodeSegmentHeader(bytes);
  if (typeof header === "string") return header;
  if (header.description.boot !== bootId()) return "outdated";
  return stat.size < header.fileBytes ? "damaged" : header;
}

/** The header of a file that can be joined; null if a new one is to take its place. */
function wantedHeader(path: string, descriptor: number, wish: SegmentWish): SegmentHeader | null {
  const header = readHeader(descriptor);
  if (header === "foreign") {
    throw new ZbudError(
      "EEXIST",
      `${show(path)} is another kind of file, and is left as it is; give another path, or remove it`,
    );
  }
  checkOwner(path, descriptor);
  if (typeof header === "string") return null;
  const { kind, layout, agreement } = header.description;
  if (kind !== wish.kind) {
    if (wish.whenDifferent === "replace") return null;
    throw new ZbudError(
      "EEXIST",
      `the shared memory ${show(wish.name)} holds ${kind === "index" ? "an index of a file" : `a ${kind}`}, and not ${wish.kind === "index" ? "an index" : `a ${wish.kind}`}; give another name, or whenDifferent: "replace"`,
    );
  }
  if (layout !== wish.layout) return null;
  const differences = differencesOf(agreement, wish.agreement);
  if (differences.length === 0) return header;
  if (wish.whenDifferent === "replace") return null;
  throw new ZbudError(
    "EINVAL",
    `the shared memory ${show(wish.name)} was made with other options: ${differences.join("; ")}. Give the same in all processes, or whenDifferent: "replace" to begin anew`,
  );
}

/** @throws {ZbudError} `EACCES` for a file of another user, who could put anything into it. */
function checkOwner(path: string, descriptor: number): void {
  const own = globalThis.process.getuid?.();
  const { uid } = fs().fstatSync(descriptor);
  if (own === undefined || uid === own || uid === 0) return;
  throw new ZbudError(
    "EACCES",
    `the shared memory file ${show(path)} belongs to user ${uid}, and this process to user ${own}; run both as one user, or give another path`,
  );
}

function isFileOf(descriptor: number, { createdAt, description }: SegmentHeader): boolean {
  const header = readHeader(descriptor);
  if (typeof header === "string") return false;
  return header.createdAt === createdAt && header.description.pid === description.pid;
}

function replaced(path: string): ZbudError {
  return new ZbudError(
    "ENOENT",
    `the shared memory file ${show(path)} was replaced or removed meanwhile; open it by its name`,
  );
}

function notSent(path: unknown): ZbudError {
  return new ZbudError(
    "EINVAL",
    `this is what share() gave, but its memory is missing, as it is after JSON or a message to another process. Worker threads can have it by postMessage or workerData; other processes open it by its name, ${show(path)}`,
  );
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
