import { pause, show, ZbudError } from "../../base/index.ts";
import { FileState, stateOf } from "../file/file-state.ts";
import { type OpenedFile, openIndex } from "../file/open-index.ts";
import { type FileBackingOptions, readFileOptions } from "../file/options.ts";
import { type Ownership, RecordFile } from "../file/record-file.ts";
import { faultOf } from "../system.ts";
import { type OpfsAccess, type OpfsDirectory, opfsIo } from "./opfs-io.ts";

/** What {@link OpfsBacking.open} takes besides the name. */
export interface OpfsBackingOptions extends Omit<FileBackingOptions, "shared" | "whenDifferent"> {
  /** The folder that has the file, a `FileSystemDirectoryHandle`. Default: the root of the origin's files. */
  readonly directory?: OpfsDirectory;
}

/** The default of `averageBytes`: a browser counts a file's length, holes or not, so its index does not grow. */
const AVERAGE_BYTES = 512;
/** How long another owner of the file is waited for: a page that is loaded anew comes before its worker went. */
const PATIENCE_MS = 1000;
const PAUSE_MS = 50;

/** An access handle keeps others off by itself, until it is closed. */
const EXCLUSIVE: Ownership = { endsAll: true, isLast: () => true, release: () => undefined };
/** The number of the only file that an access handle has. */
const FILE = 0;

/**
 * Records in a file of the browser's origin private file system (OPFS), in the format of a {@link FileBacking}:
 * for dedicated workers, of pages that are cross-origin isolated or not. One worker has it at a time.
 *
 * Writes and reads take the worker's time, as browsers have no others that are fast; several records go to the
 * file in one write all the same.
 */
export class OpfsBacking extends RecordFile {
  readonly name = "opfs";

  private constructor(state: FileState, opened: OpenedFile) {
    super(stateOf(state, "await OpfsBacking.open(name, options)"), EXCLUSIVE, opened);
  }

  /**
   * Opens a file of the origin, or makes one. It gets its whole length at once, so the browser must grant the
   * origin that much: `navigator.storage.estimate()` tells, and `navigator.storage.persist()` asks to keep it.
   *
   * A page that goes ends its workers without a close: give `unclean: "flushed"` to find what the last flush wrote.
   *
   * @param name - of the file, without folders.
   * @throws {ZbudError} (as a rejection) `ENOTSUP` outside of a dedicated worker, and where there is no such file
   *   system; `EINVAL` for options, or a file that was made with other sizes; `EBUSY` if another tab or worker has
   *   it for more than a second; `EBADMSG` if it is something else's file; `ENOSPC` if the browser grants less;
   *   `EACCES`, `EIO`.
   */
  static async open(name: string, options: OpfsBackingOptions): Promise<OpfsBacking> {
    const read = readFileOptions(options, ["directory"], AVERAGE_BYTES);
    if (typeof name !== "string" || name === "" || /[/\\\0]|^\.{1,2}$/.test(name)) {
      throw new ZbudError(
        "EINVAL",
        `a store in OPFS is opened by the name of its file, not by ${show(name)}; a folder is given as directory`,
      );
    }
    let access: OpfsAccess | null = null;
    try {
      access = await accessTo(name, options.directory);
      const io = opfsIo(access);
      const { words, opened } = await openIndex(name, FILE, io, await access.getSize(), read);
      const { timeoutMs, maxInFlightBytes, maxWriteBytesPerSecond } = read;
      const settings = { path: name, timeoutMs, maxInFlightBytes, maxWriteBytesPerSecond };
      return new OpfsBacking(new FileState(settings, io, FILE, words, read.clock), opened);
    } catch (error) {
      await access?.close();
      throw faultOf(`the file ${show(name)} of OPFS cannot be opened`, error);
    }
  }

  toString(): string {
    return this.describe("OpfsBacking");
  }
}

/** The way to a file of this name, which is made if there is none. */
async function accessTo(name: string, directory: OpfsDirectory | undefined): Promise<OpfsAccess> {
  const file = await (directory ?? (await rootDirectory())).getFileHandle(name, { create: true });
  if (typeof file.createSyncAccessHandle !== "function") throw notInWorker();
  for (const start = performance.now(); ; ) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      if ((error as Error).name !== "NoModificationAllowedError") throw error;
      if (performance.now() - start > PATIENCE_MS) {
        throw new ZbudError(
          "EBUSY",
          `the file ${show(name)} of OPFS is in use by another tab or worker, or by another store of this one; use one worker for it, and a name of its own for each tab`,
          { cause: error },
        );
      }
      await pause(PAUSE_MS);
    }
  }
}

/** What the platform has of OPFS; the language's own library does not declare it. */
interface Platform {
  readonly navigator?: { readonly storage?: { getDirectory?(): Promise<OpfsDirectory> } };
  readonly FileSystemSyncAccessHandle?: unknown;
}

async function rootDirectory(): Promise<OpfsDirectory> {
  const { navigator, FileSystemSyncAccessHandle } = globalThis as Platform;
  const storage = navigator?.storage;
  if (typeof storage?.getDirectory !== "function") {
    throw new ZbudError(
      "ENOTSUP",
      "OPFS is not there: browsers have it on pages of https and of localhost; Node.js, Deno and Bun have FileBacking",
    );
  }
  // Before the file is made: elsewhere it could not be used.
  if (FileSystemSyncAccessHandle === undefined) throw notInWorker();
  return await storage.getDirectory();
}

function notInWorker(): ZbudError {
  return new ZbudError(
    "ENOTSUP",
    "a store in OPFS works in dedicated workers only: start one with new Worker(url), and open it there, with the page store or cache that uses it",
  );
}
