import { builtin, choiceOption, show, ZbudError, type ZbudErrorCode } from "../base/index.ts";
import { fs } from "./node-fs.ts";
import { systemOf } from "./system-calls.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** The file system in memory that Linux has. */
const MEMORY_FOLDER = "/dev/shm";
/** What a file is called before it is whole: its name, this, and a random number of 8 hexadecimal digits. */
const DRAFT = ".draft-";
const DRAFT_NAME = /\.draft-[0-9a-f]{8}$/;
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

/** The folder of this user for segments that have a bare name. */
export function segmentFolder(): string {
  const uid = globalThis.process.getuid?.() ?? 0;
  return `${hasMemoryFolder() ? MEMORY_FOLDER : builtin<typeof import("node:os")>("node:os")?.tmpdir()}/zbud-${uid}`;
}

function hasMemoryFolder(): boolean {
  try {
    return fs().statSync(MEMORY_FOLDER, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // Not permitted, which is said when it is used: processes that look elsewhere would not find each other.
    return true;
  }
}

/**
 * Where a segment of this name lies: a bare name in {@link segmentFolder}, a path as it is.
 *
 * @param option - what the name is of, for messages: `"shared"`.
 * @throws {ZbudError} `EINVAL` for what is neither.
 */
export function segmentPath(option: string, name: unknown): string {
  const isBoolean = name === "true" || name === "false";
  if (typeof name === "string" && !DRAFT_NAME.test(name) && !isBoolean) {
    if (NAME.test(name)) return `${segmentFolder()}/${name}`;
    const isPath = name.includes("/") && !name.includes("\0") && !/(?:^|\/)\.{0,2}$/.test(name);
    if (isPath) return builtin<typeof import("node:path")>("node:path")?.resolve(name) ?? name;
  }
  if (isBoolean) {
    throw new ZbudError("EINVAL", `${option} must be true or false, not "${name}", or a name such as "app"`);
  }
  throw new ZbudError(
    "EINVAL",
    `${option} must be a name of at most 100 letters, digits, ".", "_" and "-" such as "app", or the path of a file such as "/dev/shm/app", not ${show(name)}`,
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
 * @param patienceMs - how long others are waited for.
 * @throws {ZbudError} `EBUSY` if another process keeps it for longer; `ENOENT`, `EACCES` of the folder.
 */
export function inFolder<T>(path: string, act: () => T, patienceMs: number = FOLDER_WAIT_MS): T {
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  let descriptor: number;
  try {
    descriptor = fs().openSync(folder, "r");
  } catch (cause) {
    throw segmentFault(path, "is in a folder that cannot be opened", cause);
  }
  try {
    const end = performance.now() + patienceMs;
    while (!systemOf().tryLockWhole(descriptor)) {
      if (performance.now() > end) {
        throw new ZbudError(
          "EBUSY",
          `another process keeps ${folder} locked for ${patienceMs / 1000} s; look whether one that is making memory there was stopped (kill -CONT)`,
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
  return `${path}${DRAFT}${number.toString(16).padStart(8, "0")}`;
}

/** Removes what processes left that ended while they made a segment of this path. Its folder is locked. */
export function removeDrafts(path: string): void {
  const cut = path.lastIndexOf("/");
  const name = path.slice(cut + 1);
  for (const found of fs().readdirSync(path.slice(0, cut) || "/")) {
    if (!found.startsWith(name) || found.replace(DRAFT_NAME, "") !== name || found === name) continue;
    try {
      fs().unlinkSync(`${path.slice(0, cut)}/${found}`);
    } catch {
      // Whatever else has this name is in nobody's way.
    }
  }
}

/** Names of the segments in this user's folder. Throws `EACCES` if that cannot be read. */
export function segmentNames(): string[] {
  try {
    return fs()
      .readdirSync(segmentFolder())
      .filter((name) => NAME.test(name) && !DRAFT_NAME.test(name))
      .sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw segmentFault(segmentFolder(), "cannot be read", cause);
  }
}

/** The error for what the file system, or the engine, says of a segment's file. */
export function segmentFault(path: string, what: string, cause: unknown): ZbudError {
  const { code } = cause as NodeJS.ErrnoException;
  const message = `the shared memory file ${show(path.replace(DRAFT_NAME, ""))} ${what}`;
  const fault = (own: ZbudErrorCode, why: string): ZbudError =>
    new ZbudError(own, `${message}: ${why}`, { cause });
  switch (code) {
    case "ELOOP":
      return fault("EACCES", "it is a link, and links are not followed; give the path of the file");
    case "ENOENT":
    case "ENOTDIR":
      return fault("ENOENT", "its folder is not there; make it first");
    case "EISDIR":
      return fault("EINVAL", "it is a folder; give the path of a file in it");
    case "ERR_ACCESS_DENIED": {
      const folder = path.slice(0, path.lastIndexOf("/")) || "/";
      return fault(
        "EACCES",
        `Node does not permit it; with --permission, add --allow-fs-read=${folder} --allow-fs-write=${folder}`,
      );
    }
    case "EROFS":
      return fault("EACCES", "its file system is read-only; give another path");
    case "EACCES":
    case "EPERM":
      return fault("EACCES", "this user may not; give another path, or have it permitted");
    case "ENOSPC":
    case "EDQUOT":
      return noRoom(path, cause);
    case undefined:
      // The engine has no more addresses.
      if (cause instanceof RangeError) return fault("ENOMEM", `${cause.message}; lower maxBytes`);
  }
  return fault("EIO", (cause as Error).message);
}

/** The error for a file system without room. */
export function noRoom(path: string, cause?: unknown): ZbudError {
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  let room = "";
  try {
    const { bsize, blocks, bavail } = fs().statfsSync(folder);
    const mib = (count: number): string => `${Math.round((count * bsize) / 2 ** 20)} MiB`;
    room = ` (${mib(bavail)} free of ${mib(blocks)})`;
  } catch {
    // Then without figures.
  }
  return new ZbudError(
    "ENOMEM",
    `the file system of ${folder} has no room for this memory${room}; give it more (docker run --shm-size=1g; mount -o remount,size=…), lower maxBytes, or give a path elsewhere`,
    cause === undefined ? undefined : { cause },
  );
}
