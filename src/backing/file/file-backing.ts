import { isSharedBuffer, notShared, show, ZbudError } from "../../base/index.ts";
import type { SharedBacking } from "../types.ts";
import { type FileSettings, FileState, stateOf } from "./file-state.ts";
import { attachIndexWords, type IndexGeometry } from "./index-words.ts";
import { type FileIo, systemIo } from "./io.ts";
import { notOpened, type OpenedFile, openFailed, openIndex } from "./open-index.ts";
import { type FileBackingOptions, readFileOptions } from "./options.ts";
import { takeOwnership } from "./owner.ts";
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
 * The index is in shared memory: all threads of the process that `attach` use the file at once. It costs
 * 52 to 56 bytes a record that would fit, and 3 bits a unit. Writes and reads are asynchronous, and several
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
    const read = readFileOptions(options);
    const io = parts.io ?? systemIo();
    let owner: Ownership | null = null;
    let file: number | null = null;
    try {
      file = await io.open(path, true);
      const found = io.statSync(file);
      if (!found.isFile) {
        throw new ZbudError(
          "EINVAL",
          `${show(path)} is not a file; give the path of a file, which need not exist yet`,
        );
      }
      owner = takeOwnership(path, found);
      // Its length as nobody else changes it any more.
      const { size } = io.statSync(file);
      const { words, opened } = await openIndex(path, file, io, size, read);
      const { timeoutMs, maxInFlightBytes, maxWriteBytesPerSecond } = read;
      const settings = { path, timeoutMs, maxInFlightBytes, maxWriteBytesPerSecond };
      return new FileBacking(new FileState(settings, io, file, words, read.clock), io, owner, opened);
    } catch (error) {
      if (file !== null) io.closeSync(file);
      owner?.release();
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
    if (shared?.backing !== "file" || !isSharedBuffer(shared.index)) {
      throw notShared("a file store", shared, shared?.index);
    }
    const { settings, geometry, index, device, inode } = shared;
    if (typeof settings?.path !== "string" || typeof geometry !== "object" || geometry === null) {
      throw new ZbudError("EBADMSG", "this is no shared file store; pass on what share() gave, unchanged");
    }
    const words = attachIndexWords(index, geometry);
    const io = parts.io ?? systemIo();
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
      const state = new FileState(settings, io, file, words, parts.clock ?? (() => Date.now()));
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
    return { backing: "file", settings, geometry: words.geometry, index, device, inode };
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
