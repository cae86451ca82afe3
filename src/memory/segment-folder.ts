import { builtin, choiceOption, show, ZbudError } from "../base/index.ts";
import { systemOf } from "./system.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** The file system in memory that Linux has. */
const MEMORY_FOLDER = "/dev/shm";
/** What a file is called before it is whole: its name, this, and a random number. */
const DRAFT = ".draft-";
/** How long another process is waited for that makes or joins a segment in the same folder. */
const FOLDER_WAIT_MS = 10_000;
const FOLDER_LOOK_MS = 2;

/**
 * Reads the option `whenDifferent`.
 *
 * @throws {ZbudError} `EINVAL`.
 */
export function whenDifferentOption(value: unknown): "reject" | "replace" {
  return choiceOption("whenDifferent", value ?? "reject", ["reject", "replace"]);
}

export function fs(): typeof import("node:fs") {
  return builtin<typeof import("node:fs")>("node:fs") as typeof import("node:fs");
}

/** The folder of this user for segments that have a bare name. */
export function segmentFolder(): string {
  const uid = globalThis.process.getuid?.() ?? 0;
  const os = builtin<typeof import("node:os")>("node:os");
  const isThere = fs().existsSync(MEMORY_FOLDER);
  return `${isThere ? MEMORY_FOLDER : (os?.tmpdir() ?? "/tmp")}/zbud-${uid}`;
}

/**
 * Where a segment of this name lies: a bare name in {@link segmentFolder}, a path as it is.
 *
 * @param option - what the name is of, for messages: `"shared"`.
 * @throws {ZbudError} `EINVAL` for what is neither.
 */
export function segmentPath(option: string, name: unknown): string {
  if (typeof name === "string" && name.includes("/") && !name.includes("\0") && !name.endsWith("/")) {
    const path = builtin<typeof import("node:path")>("node:path");
    return path?.resolve(name) ?? name;
  }
  if (typeof name === "string" && NAME.test(name) && !name.includes(DRAFT)) {
    return `${segmentFolder()}/${name}`;
  }
  throw new ZbudError(
    "EINVAL",
    `${option} must be a name of letters, digits, ".", "_" and "-" such as "app", or the path of a file such as "/dev/shm/app", not ${show(name)}`,
  );
}

/**
 * Makes this user's folder if it is not there, and makes sure that nobody else can change what is in it.
 *
 * @throws {ZbudError} `EACCES` naming what is wrong with it.
 */
export function prepareSegmentFolder(): void {
  const folder = segmentFolder();
  try {
    fs().mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST")
      throw segmentFault(folder, "cannot be made", cause);
  }
  checkSegmentFolder();
}

/**
 * Makes sure that nobody else can change what is in this user's folder, which is there.
 *
 * @throws {ZbudError} `EACCES` naming what is wrong with it.
 */
export function checkSegmentFolder(): void {
  const folder = segmentFolder();
  const stat = fs().lstatSync(folder);
  const isOwn = stat.uid === (globalThis.process.getuid?.() ?? stat.uid);
  if (stat.isDirectory() && isOwn && (stat.mode & 0o077) === 0) return;
  const why = !stat.isDirectory()
    ? "is not a folder"
    : !isOwn
      ? `belongs to user ${stat.uid}`
      : `can be used by others (mode ${(stat.mode & 0o777).toString(8)})`;
  throw new ZbudError(
    "EACCES",
    `${folder}, where memory between processes lies, ${why}; remove it, or correct it (chmod 700), or give a path instead of a name`,
  );
}

/**
 * Does something while no other process makes, joins or removes a segment in the folder of `path`. The system takes the
 * lock from a process that ends.
 *
 * @throws {ZbudError} `EBUSY` if another process keeps it for 10 s; `ENOENT`, `EACCES` of the folder.
 */
export function inFolder<T>(path: string, act: () => T): T {
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  let descriptor: number;
  try {
    descriptor = fs().openSync(folder, "r");
  } catch (cause) {
    throw segmentFault(path, "is in a folder that cannot be opened", cause);
  }
  try {
    const end = performance.now() + FOLDER_WAIT_MS;
    while (!systemOf().tryLockWhole(descriptor)) {
      if (performance.now() > end) {
        throw new ZbudError(
          "EBUSY",
          `another process keeps ${folder} locked for 10 s; look whether one that is making memory there was stopped (kill -CONT)`,
        );
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FOLDER_LOOK_MS);
    }
    return act();
  } finally {
    fs().closeSync(descriptor);
  }
}

/** A name beside `path` for a file that is being made. */
export function draftPath(path: string): string {
  const [number] = globalThis.crypto.getRandomValues(new Uint32Array(1));
  return `${path}${DRAFT}${number.toString(36)}`;
}

/** Removes what processes left that ended while they made a segment of this path. Its folder is locked. */
export function removeDrafts(path: string): void {
  const cut = path.lastIndexOf("/");
  const prefix = path.slice(cut + 1) + DRAFT;
  for (const name of fs().readdirSync(path.slice(0, cut) || "/")) {
    if (name.startsWith(prefix)) fs().rmSync(`${path.slice(0, cut)}/${name}`, { force: true });
  }
}

/** Names of the segments in this user's folder. Throws `EACCES` if that cannot be read. */
export function segmentNames(): string[] {
  try {
    return fs()
      .readdirSync(segmentFolder())
      .filter((name) => NAME.test(name) && !name.includes(DRAFT))
      .sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw segmentFault(segmentFolder(), "cannot be read", cause);
  }
}

/** The error for what the file system says of a segment's file. */
export function segmentFault(path: string, what: string, cause: unknown): ZbudError {
  const { code } = cause as NodeJS.ErrnoException;
  const message = `the shared memory file ${show(path)} ${what}`;
  if (code === "ELOOP") {
    return new ZbudError(
      "EACCES",
      `${message}: it is a link, and links are not followed; give the path of the file`,
      {
        cause,
      },
    );
  }
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new ZbudError("ENOENT", `${message}: its folder is not there; make it first`, { cause });
  }
  if (code === "EISDIR")
    return new ZbudError("EINVAL", `${message}: it is a folder; give the path of a file in it`, { cause });
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    return new ZbudError("EACCES", `${message}: this user may not; give another path, or have it permitted`, {
      cause,
    });
  }
  if (code === "ENOSPC") return noRoom(path, cause);
  return new ZbudError("EIO", `${message}: ${(cause as Error).message}`, { cause });
}

/** The error for a file system without room. */
export function noRoom(path: string, cause?: unknown): ZbudError {
  let room = "";
  try {
    const { bsize, blocks, bavail } = fs().statfsSync(path.slice(0, path.lastIndexOf("/")) || "/");
    const mib = (count: number): string => `${Math.round((count * bsize) / 2 ** 20)} MiB`;
    room = ` (${mib(bavail)} free of ${mib(blocks)})`;
  } catch {
    // Then without figures.
  }
  return new ZbudError(
    "ENOMEM",
    `the file system of ${show(path)} has no room for this${room}; give it more (docker run --shm-size=1g; mount -o remount,size=…), lower maxBytes, or give a path elsewhere`,
    cause === undefined ? undefined : { cause },
  );
}
