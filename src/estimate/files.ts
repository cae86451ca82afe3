import {
  accessSync,
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { join, sep } from "node:path";
import { countText, show, ZbudError } from "../base/index.ts";
import type { Progress } from "./progress.ts";

/** Bytes that can be read at any place. Reading is synchronous, in pieces of at most a few MiB. */
export interface ByteSource {
  readonly bytes: number;
  /** @returns the bytes read; fewer than asked for when the rest is no longer there. */
  read(into: Uint8Array, at: number, length: number, position: number): number;
  close(): void;
}

/** What was found under some paths. */
export interface FileListing {
  files: FileSource[];
  bytes: number;
  folders: number;
  skipped: { symlinks: number; special: number; unreadable: number; empty: number };
  /** Paths that were named although another named one is the same or holds them. */
  repeated: number;
}

/** As bytes where a name is no valid text: only so its file can be found again. */
type FilePath = string | Uint8Array;

/**
 * Finds all regular files under `paths`. A path that is named may be a symbolic link; those met inside
 * folders are not followed, so that nothing is read twice and no walk is endless. Costs one small object a
 * file.
 *
 * @throws {ZbudError} `ENOENT`, `EACCES` or `EINVAL` if a named path is not there, cannot be read, or is
 *   neither a file nor a folder. What is met inside folders is counted in `skipped` instead.
 */
export async function listFiles(paths: readonly string[], progress: Progress): Promise<FileListing> {
  const listing: FileListing = {
    files: [],
    bytes: 0,
    folders: 0,
    skipped: { symlinks: 0, special: 0, unreadable: 0, empty: 0 },
    repeated: 0,
  };
  const real = paths.map(realNamed);
  for (const [i, path] of paths.entries()) {
    if (isRepeated(real, i)) {
      listing.repeated += 1;
      continue;
    }
    const found = statNamed(path);
    if (found.isDirectory()) {
      checkReadable(path, "folder");
      await walk(path, listing, progress);
    } else if (found.isFile()) {
      checkReadable(path, "file");
      if (found.size === 0) checkEmpty(path);
      addFile(path, found.size, listing);
    } else {
      throw new ZbudError(
        "EINVAL",
        `${show(path)} is neither a file nor a folder: pipe its bytes in, and name -`,
      );
    }
  }
  return listing;
}

function realNamed(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw unreadable(path, "path", error);
  }
}

function isRepeated(real: readonly string[], index: number): boolean {
  return real.some(
    (other, i) =>
      (i < index && other === real[index]) || (i !== index && real[index].startsWith(other + sep)),
  );
}

/** Files of /proc and its kind say that they are empty, and are not: how much to sample nobody knows. */
function checkEmpty(path: string): void {
  const source = new FileSource(path, 1);
  const got = source.read(new Uint8Array(1), 0, 1, 0);
  source.close();
  if (got > 0) {
    throw new ZbudError(
      "EINVAL",
      `${show(path)} reports no size, though it has bytes: pipe it in, and name -`,
    );
  }
}

function statNamed(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw unreadable(path, "path", error);
  }
}

function checkReadable(path: string, kind: "file" | "folder"): void {
  try {
    accessSync(path, kind === "file" ? constants.R_OK : constants.R_OK | constants.X_OK);
  } catch (error) {
    throw unreadable(path, kind, error);
  }
}

function unreadable(path: string, kind: string, cause: unknown): ZbudError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new ZbudError("ENOENT", `no such file or folder: ${show(path)}`, { cause });
  }
  if (code === "ENAMETOOLONG") {
    return new ZbudError("EINVAL", `this path is too long for the system: ${show(path)}`, { cause });
  }
  if (code === "EACCES" || code === "EPERM") {
    return new ZbudError(
      "EACCES",
      `no permission to read the ${kind} ${show(path)}: run as a user who may, or name another`,
      { cause },
    );
  }
  return new ZbudError("EINVAL", `cannot read the ${kind} ${show(path)} (${code}): name another`, { cause });
}

async function walk(root: string, listing: FileListing, progress: Progress): Promise<void> {
  const folders: FilePath[] = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: (Dirent<string> | Dirent<Buffer>)[];
    try {
      entries = readFolder(folder);
    } catch {
      listing.skipped.unreadable += 1;
      continue;
    }
    listing.folders += 1;
    const inner: FilePath[] = [];
    for (const entry of entries) {
      const path = joined(folder, entry.name);
      if (entry.isDirectory()) inner.push(path);
      else if (entry.isSymbolicLink()) listing.skipped.symlinks += 1;
      else if (entry.isFile()) addFound(path, listing);
      else listing.skipped.special += 1;
      if (progress.shouldYield) {
        progress.doing(`${countText(listing.files.length)} files found so far`);
        await progress.yieldThread(0);
      }
    }
    // The stack gives the last one first; names come back in their order.
    for (let i = inner.length - 1; i >= 0; i--) folders.push(inner[i]);
  }
}

/** In the order of names, so that the same seed chooses the same units on every machine. */
function readFolder(folder: FilePath): (Dirent<string> | Dirent<Buffer>)[] {
  const path = systemPath(folder);
  const entries = readdirSync(path, { withFileTypes: true });
  // What is no UTF-8 was decoded to this, and would not be found under it.
  if (entries.some(({ name }) => name.includes("\ufffd"))) {
    const raw = readdirSync(path, { withFileTypes: true, encoding: "buffer" });
    return raw.sort((a, b) => Buffer.compare(a.name, b.name));
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function joined(folder: FilePath, name: string | Buffer): FilePath {
  if (typeof folder === "string" && typeof name === "string") return join(folder, name);
  return Buffer.concat([Buffer.from(folder), Buffer.from(sep), Buffer.from(name)]);
}

function systemPath(path: FilePath): string | Buffer {
  return typeof path === "string" ? path : Buffer.from(path);
}

function addFound(path: FilePath, listing: FileListing): void {
  try {
    const found = lstatSync(systemPath(path));
    accessSync(systemPath(path), constants.R_OK);
    addFile(path, found.size, listing);
  } catch {
    listing.skipped.unreadable += 1;
  }
}

function addFile(path: FilePath, bytes: number, listing: FileListing): void {
  if (bytes === 0) {
    listing.skipped.empty += 1;
    return;
  }
  listing.files.push(new FileSource(path, bytes));
  listing.bytes += bytes;
}

/** A path may have become a pipe since it was listed: to open one must not wait for its writer. */
function openFile(path: FilePath): number {
  const fd = openSync(systemPath(path), constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Error("no longer a file");
}

/** One file; open only between its first read and `close`. */
export class FileSource implements ByteSource {
  readonly path: FilePath;
  readonly bytes: number;
  #fd = -1;

  constructor(path: FilePath, bytes: number) {
    this.path = path;
    this.bytes = bytes;
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    try {
      if (this.#fd < 0) this.#fd = openFile(this.path);
      let got = 0;
      while (got < length) {
        const n = readSync(this.#fd, into, at + got, length - got, position + got);
        if (n === 0) break;
        got += n;
      }
      return got;
    } catch {
      return 0;
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
