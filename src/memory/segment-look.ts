import {
  checkNames,
  flagOption,
  type NotedThread,
  noteProcessMemory,
  REGISTRY_WORDS,
  show,
  ThreadRegistry,
  ZbudError,
} from "../base/index.ts";
import { libcIfAny } from "./libc.ts";
import { fs } from "./node-fs.ts";
import {
  checkSegmentFolder,
  inFolder,
  removeDrafts,
  segmentFault,
  segmentFolder,
  segmentPath,
} from "./segment-folder.ts";
import {
  CONTROL_AT,
  decodeSegmentHeader,
  type SegmentDescription,
  type SegmentHeader,
} from "./segment-header.ts";
import { bootId, systemOf } from "./system-calls.ts";

/** What `blocks` of a file's state counts, everywhere. */
const BLOCK_BYTES = 512;

/** What is seen of a segment's file from outside. */
export interface SegmentLook {
  readonly path: string;
  /** `"outdated"`: of an earlier start of the machine; `"foreign"`: another kind of file. */
  readonly state: "good" | "outdated" | "damaged" | "foreign";
  /** Null: it has none that can be read. */
  readonly header: SegmentHeader | null;
  /** Bytes that the file takes in its file system now. */
  readonly bytes: number;
  /** Threads that have it open, of all processes; null where the system's calls cannot be made. */
  readonly threads: readonly NotedThread[] | null;
  /** What was asked for. */
  readonly words: readonly number[];
}

/** A word in the memory of a segment: what stands for its buffer in the description, and its index there. */
type WordPlace = readonly [buffer: unknown, index: number];

/**
 * Looks at a segment's file without joining: it is opened to be read, nothing is mapped, and no place is taken.
 *
 * @param wordsOf - which words of it to read. They may change while others work on it.
 * @returns null if there is none.
 * @throws {ZbudError} `EACCES`, `EIO` of the file.
 */
export function lookAtSegment(
  path: string,
  wordsOf: (description: SegmentDescription) => readonly WordPlace[] = () => [],
): SegmentLook | null {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs().constants;
  let descriptor: number;
  try {
    // A pipe that nobody writes to would keep this waiting.
    descriptor = fs().openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw segmentFault(path, "cannot be opened", cause);
  }
  try {
    return look(path, descriptor, wordsOf);
  } finally {
    fs().closeSync(descriptor);
  }
}

function look(
  path: string,
  descriptor: number,
  wordsOf: (description: SegmentDescription) => readonly WordPlace[],
): SegmentLook {
  const stat = fs().fstatSync(descriptor);
  const bytes = stat.blocks * BLOCK_BYTES;
  const unread = { path, bytes, header: null, words: [] };
  if (!stat.isFile()) return { ...unread, state: "foreign", threads: [] };
  const header = stat.size === 0 ? "damaged" : decodeSegmentHeader(bytesAt(descriptor, 0, CONTROL_AT));
  if (header === "foreign") return { ...unread, state: header, threads: [] };
  try {
    if (header !== "damaged" && stat.size >= header.fileBytes) {
      const { description } = header;
      const state = description.boot === bootId() ? "good" : "outdated";
      const words = state === "good" ? wordsAt(descriptor, description, wordsOf(description)) : [];
      return { path, state, header, bytes, threads: threadsAt(descriptor, description), words };
    }
  } catch (error) {
    // A description that somebody else wrote may have any form.
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
  }
  return { ...unread, state: "damaged", threads: anybodyAt(descriptor) };
}

function bytesAt(descriptor: number, position: number, bytes: number): Uint8Array {
  const found = new Uint8Array(bytes);
  return found.subarray(0, fs().readSync(descriptor, found, 0, bytes, position));
}

/** Who has a place in the table of threads, which is copied for that. */
function threadsAt(descriptor: number, { areas, threads }: SegmentDescription): NotedThread[] | null {
  if (libcIfAny() === undefined) return null;
  const [area, at] = threads;
  const position = areas[area].offset + 4 * at;
  const words = new Int32Array(REGISTRY_WORDS);
  fs().readSync(descriptor, words, 0, words.byteLength, position);
  noteProcessMemory(words.buffer, {
    take: () => false,
    give: () => {},
    isTaken: (byte) => systemOf().isLocked(descriptor, position + byte),
  });
  return new ThreadRegistry(words, 0).living();
}

/** For a file of which nobody knows where its table of threads is. */
function anybodyAt(descriptor: number): NotedThread[] | null {
  if (libcIfAny() === undefined) return null;
  return systemOf().isLocked(descriptor, 0, 0) ? [{ pid: 0, threadId: -1 }] : [];
}

function wordsAt(descriptor: number, { areas }: SegmentDescription, places: readonly WordPlace[]): number[] {
  return places.map(([buffer, index]) => {
    const { $buffer, $memory } = buffer as { $buffer?: number; $memory?: number };
    const { offset } = areas[($buffer ?? $memory) as number];
    const word = new Int32Array(1);
    fs().readSync(descriptor, word, 0, 4, offset + 4 * index);
    return word[0];
  });
}

/** What {@link removeSegment} removed. */
export interface RemovedSegment {
  /** Of its file, and of what was left by processes that ended while they made one. */
  readonly bytes: number;
  /** False: there was nothing but such leavings. */
  readonly wasWhole: boolean;
  /** Who uses it on. */
  readonly threads: readonly NotedThread[];
}

/**
 * Removes a segment's file, and what is left of some that were never whole. Nobody makes or joins it meanwhile.
 *
 * @param force - also while threads use it.
 * @returns null if there is nothing.
 * @throws {ZbudError} as {@link removeShared}.
 */
export function removeSegment(path: string, force: boolean): RemovedSegment | null {
  systemOf();
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  if (!fs().existsSync(folder)) return null;
  if (folder === segmentFolder()) checkSegmentFolder();
  return inFolder(path, () => {
    const found = lookAtSegment(path);
    if (found?.state === "foreign") {
      throw new ZbudError(
        "EEXIST",
        `${show(path)} is another kind of file, and is left as it is; give the name of memory that processes share`,
      );
    }
    const threads = found?.threads ?? [];
    if (threads.length > 0 && !force) {
      throw new ZbudError(
        "EBUSY",
        `${show(path)} is in use by ${inWords(threads)}; close it there or end them first, or remove it by force (zbud rm --force, removeShared(name, { force: true })): they go on with what they have, and its memory goes with the last of them`,
      );
    }
    try {
      if (found !== null) fs().unlinkSync(path);
      const beside = filesBeside(path);
      removeDrafts(path);
      const drafts = [...beside.keys()].filter((file) => !fs().existsSync(file));
      if (found === null && drafts.length === 0) return null;
      const bytes = drafts.reduce((sum, file) => sum + (beside.get(file) ?? 0), found?.bytes ?? 0);
      return { threads, bytes, wasWhole: found !== null };
    } catch (cause) {
      throw segmentFault(path, "cannot be removed", cause);
    }
  });
}

/** Files whose names begin as that of `path`, and the bytes that each takes. */
function filesBeside(path: string): Map<string, number> {
  const cut = path.lastIndexOf("/") + 1;
  const files = new Map<string, number>();
  for (const name of fs().readdirSync(path.slice(0, cut))) {
    const file = path.slice(0, cut) + name;
    if (file === path || !file.startsWith(path)) continue;
    const { blocks = 0 } = fs().lstatSync(file, { throwIfNoEntry: false }) ?? {};
    files.set(file, blocks * BLOCK_BYTES);
  }
  return files;
}

/** `process 4711`, `processes 4711 and 4712`. */
function inWords(threads: readonly NotedThread[]): string {
  const pids = [...new Set(threads.map(({ pid }) => pid))].filter((pid) => pid > 0).sort((a, b) => a - b);
  if (pids.length === 0) return "some process";
  const last = pids.pop();
  return pids.length === 0 ? `process ${last}` : `processes ${pids.join(", ")} and ${last}`;
}

/**
 * Removes the memory that processes share under a name, with all that it holds: a cache, a page store or a pool that was
 * made with the option `shared`. For tests, and for whoever wants to begin anew; nothing has to be removed otherwise.
 *
 * @param name - as the option `shared` has it: a bare name, or a path.
 * @param options - `force`: also while processes use it. They go on with what they have, apart from whoever opens the
 *   name after this, and its memory goes with the last of them. Default false.
 * @returns whether there was any.
 * @throws {ZbudError} `EBUSY` naming the processes that use it, this one too; `EEXIST` if the file is something else;
 *   `ENOTSUP` where processes cannot share memory; `EINVAL`, `EACCES`, `EIO`.
 */
export function removeShared(name: string, options: { force?: boolean } = {}): boolean {
  checkNames("removeShared", options, ["force"]);
  const { force = false } = options;
  return removeSegment(segmentPath("name", name), flagOption("force", force)) !== null;
}
