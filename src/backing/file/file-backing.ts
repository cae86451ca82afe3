import { isSharedBuffer, notShared, show, ZbudError } from "../../base/index.ts";
import { type SharedSegment, segmentOf } from "../../memory/index.ts";
import type { SharedBacking } from "../types.ts";
import { type FileSettings, FileState, stateOf } from "./file-state.ts";
import { lastHeader } from "./header-file.ts";
import { attachIndexWords, type IndexGeometry } from "./index-words.ts";
import { type FileIo, systemIo } from "./io.ts";
import { attachGroup, joinGroup } from "./open-group.ts";
import { geometryFor, notOpened, type OpenedFile, openFailed, openIndex } from "./open-index.ts";
import { type FileBackingOptions, type OpenSettings, readFileOptions } from "./options.ts";
import { type OwnerNotes, takeOwnership } from "./owner.ts";
import { type Ownership, RecordFile } from "./record-file.ts";

/** A file store as plain data, to be sent to another thread. */
export interface SharedFileBacking {
  readonly backing: "file";
  readonly settings: FileSettings;
  readonly geometry: IndexGeometry;
  readonly index: SharedArrayBuffer;
  /** Which file it is, so that another one of its name is not taken for it. */
  readonly device: number;
  readonly inode: number;
}

/** Parts that tests put in place of the system's. */
export interface FileParts {
  readonly io?: FileIo;
  readonly clock?: () => number;
}

/**
 * Records in one file of fixed length, each in a row of units with a checksum of its own.
 *
 * The index is in shared memory: all threads of the process that `attach` use the file at once. It costs 52 bytes for
 * each of the most records that there were at once, and 3 bits a unit. Writes and reads are asynchronous, and several
 * records go to the file in one write; `writeSync` and `readSync` are for those who cannot wait.
 */
export class FileBacking extends RecordFile implements SharedBacking {
  readonly name = "file";
  readonly #io: FileIo;

  private constructor(state: FileState, io: FileIo, owner: Ownership | null, opened: OpenedFile | null) {
    super(
      stateOf(state, "await FileBacking.open(path, options), or FileBacking.attach(shared)"),
      owner,
      opened,
    );
    this.#io = io;
  }

  /**
   * Opens a file, or makes one that only its owner may read, in a folder that is there. While it is open, a note lies
   * beside it (`NAME.owner-…`), and one among the user's temporary files, that keep other processes off, by whatever
   * name they open it.
   *
   * @throws {ZbudError} (as a rejection) `EINVAL` for options, or a file that was made with other sizes;
   *   `EBUSY` if it is in use; `EBADMSG` if it is something else's file; `ENOTSUP` if another version made it;
   *   `ENOENT` if its folder is not there; `EACCES`, `ENOSPC`, `EIO`.
   */
  static async open(path: string, options: FileBackingOptions, parts: FileParts = {}): Promise<FileBacking> {
    if (typeof path !== "string" || path === "" || path.includes("\0")) {
      throw new ZbudError("EINVAL", `a file store is opened by the path of its file, not by ${show(path)}`);
    }
    const read = readFileOptions(options, ["shared", "whenDifferent"], null);
    const io = parts.io ?? systemIo();
    if (options.shared === undefined) return await FileBacking.#openAlone(path, read, io);
    for (;;) {
      const opened = await FileBacking.#openShared(path, options, read, io);
      if (opened !== null) return opened;
    }
  }

  static async #openAlone(path: string, read: OpenSettings, io: FileIo): Promise<FileBacking> {
    let notes: OwnerNotes | null = null;
    let file: number | null = null;
    try {
      file = await openPath(path, io);
      const owner = takeOwnership(path, io.statSync(file), null);
      notes = owner;
      // Its length as nobody else changes it any more.
      const { size } = io.statSync(file);
      const { words, opened } = await openIndex(path, file, io, size, read);
      const state = new FileState(settingsOf(path, read), io, file, words, read.clock);
      const ownership = { endsAll: true, isLast: () => true, release: () => owner.release() };
      return new FileBacking(state, io, ownership, opened);
    } catch (error) {
      if (file !== null) io.closeSync(file);
      notes?.release();
      throw file === null ? notOpened(path, error) : openFailed(path, error);
    }
  }

  /** Null: the memory of the others went with the last of them meanwhile. */
  static async #openShared(
    path: string,
    options: FileBackingOptions,
    read: OpenSettings,
    io: FileIo,
  ): Promise<FileBacking | null> {
    let file: number | null = null;
    try {
      file = await openPath(path, io);
      const { size } = io.statSync(file);
      // A file that does not suit is refused before anything is made for it.
      const geometry = geometryFor(path, size === 0 ? null : await lastHeader(path, file, io), read);
      const part = joinGroup(settingsOf(path, read), file, io, options, geometry, read);
      let opened: OpenedFile | null = null;
      try {
        opened = (await part?.group.enter(read)) ?? null;
        if (part !== null && opened !== null) return new FileBacking(part.state, io, part.group, opened);
      } finally {
        if (opened === null) part?.group.release();
      }
      io.closeSync(file);
      return null;
    } catch (error) {
      if (file !== null) io.closeSync(file);
      throw file === null ? notOpened(path, error) : openFailed(path, error);
    }
  }

  /**
   * The same store in another thread of the process.
   *
   * @param shared - what {@link share} gave.
   * @throws {ZbudError} `EINVAL`, `EBADMSG` if that is something else; `ENOENT` if the file is no longer there;
   *   `ECLOSED`; `EBUSY` if 127 threads use it.
   */
  static attach(shared: SharedFileBacking, parts: FileParts = {}): FileBacking {
    const { segment } = (shared ?? {}) as { segment?: SharedSegment };
    if (shared?.backing !== "file" || (segment === undefined && !isSharedBuffer(shared.index))) {
      throw notShared("a file store", shared, shared?.index);
    }
    const { settings, geometry, index, device, inode } = shared;
    const hasGeometry = segment !== undefined || (typeof geometry === "object" && geometry !== null);
    if (typeof settings?.path !== "string" || !hasGeometry) {
      throw new ZbudError("EBADMSG", "this is no shared file store; pass on what share() gave, unchanged");
    }
    const words = segment === undefined ? attachIndexWords(index, geometry) : null;
    const io = parts.io ?? systemIo();
    const clock = parts.clock ?? (() => Date.now());
    let file: number;
    try {
      file = io.openSync(settings.path);
    } catch (error) {
      throw openFailed(settings.path, error);
    }
    try {
      const stat = io.statSync(file);
      if (stat.device !== device || stat.inode !== inode) {
        throw new ZbudError(
          "ENOENT",
          `${settings.path} was replaced by another file; open the file store again`,
        );
      }
      if (words === null) {
        const part = attachGroup(settings, file, io, segment as SharedSegment, clock);
        return new FileBacking(part.state, io, part.group, null);
      }
      const state = new FileState(settings, io, file, words, clock);
      if (state.ended) {
        state.leave();
        throw state.closedError();
      }
      return new FileBacking(state, io, null, null);
    } catch (error) {
      io.closeSync(file);
      throw error;
    }
  }

  share(): SharedFileBacking {
    const { settings, words, file } = this.live();
    const { device, inode } = this.#io.statSync(file);
    // Wherever there are files by their paths, there is shared memory.
    const index = words.buffer as SharedArrayBuffer;
    const about = { backing: "file" as const, settings, geometry: words.geometry, device, inode };
    const segment = segmentOf(index);
    return segment === undefined
      ? { ...about, index }
      : ({ ...about, segment: segment.send() } as unknown as SharedFileBacking);
  }

  /**
   * Frees what threads that are gone were writing. Nothing depends on it but their room in the file.
   *
   * @returns how many were found dead.
   */
  recover(): number {
    return this.live().recover();
  }

  /** Tells that the thread of this number (`threadId`) has ended, for systems that do not show it. */
  threadGone(threadId: number): void {
    this.live().threadGone(threadId);
  }

  toString(): string {
    return this.describe("FileBacking");
  }
}

/**
 * Opens a file, or makes it.
 *
 * @throws the system's error; {@link ZbudError} `EINVAL` if it is something else than a file.
 */
async function openPath(path: string, io: FileIo): Promise<number> {
  const file = await io.open(path, true);
  if (io.statSync(file).isFile) return file;
  io.closeSync(file);
  throw new ZbudError(
    "EINVAL",
    `${show(path)} is not a file; give the path of a file, which need not exist yet`,
  );
}

function settingsOf(path: string, read: OpenSettings): FileSettings {
  const { timeoutMs, maxInFlightBytes, maxWriteBytesPerSecond } = read;
  return { path, timeoutMs, maxInFlightBytes, maxWriteBytesPerSecond };
}
