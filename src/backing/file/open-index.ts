import { show, ZbudError } from "../../base/index.ts";
import { faultOf } from "../system.ts";
import type { FileHeader } from "./header.ts";
import { type LastHeader, lastHeader, writeHeader } from "./header-file.ts";
import { type Locked, readIndex } from "./index-file.ts";
import { IndexTable } from "./index-table.ts";
import {
  createIndexWords,
  emptyIndexWords,
  F_BUDGET,
  F_BUDGET_AT,
  F_SEQUENCE,
  type IndexGeometry,
  type IndexWords,
  indexGeometry,
  sameGeometry,
  W_DROPS,
  W_GENERATION,
  W_PINS,
  W_RECORDS,
  W_STORE_NUMBER,
  W_USER,
} from "./index-words.ts";
import type { RecordIo } from "./io.ts";
import type { OpenSettings } from "./options.ts";

/** What was found when a file was opened. */
export interface OpenedFile {
  /**
   * `"new"`: there was none; `"clean"`: it was closed well, and its records are there; `"flushed"`: it was not,
   * and those of the last flush are; `"empty"`: it was not, and it begins anew; `"damaged"`: its index is not
   * what was written, and it begins anew; `"shared"`: its index was in memory that processes share, and its records
   * are there.
   */
  readonly found: "new" | "clean" | "flushed" | "empty" | "damaged" | "shared";
  /** Records that were found. */
  readonly records: number;
}

/**
 * How a file with these options is divided.
 *
 * @throws {ZbudError} `EINVAL` if a file is there that is divided otherwise, or there would be no room for records.
 */
export function geometryFor(path: string, last: LastHeader | null, options: OpenSettings): IndexGeometry {
  const geometry = indexGeometry(options.maxBytes, options.unitBytes, options.averageBytes);
  const there = last?.header?.geometry ?? geometry;
  if (!sameGeometry(there, geometry)) throw new ZbudError("EINVAL", differs(path, there, geometry));
  return geometry;
}

function differs(path: string, has: IndexGeometry, wanted: IndexGeometry): string {
  const show = (it: IndexGeometry): string =>
    `${it.fileBytes} bytes in units of ${it.unitBytes} for ${it.maxRows} records`;
  return `${path} was made with other sizes (${show(has)}) than the options say (${show(wanted)}); open it with maxBytes, unitBytes and averageBytes as before, or remove it`;
}

/**
 * Opens or makes the file, with an index for the threads of this process; the caller owns the file already.
 *
 * @param size - the file's length, 0 for a new one.
 */
export async function openIndex(
  path: string,
  file: number,
  io: RecordIo,
  size: number,
  options: OpenSettings,
): Promise<{ words: IndexWords; opened: OpenedFile }> {
  const last = size === 0 ? null : await lastHeader(path, file, io);
  const words = createIndexWords(geometryFor(path, last, options));
  // Nobody else has it yet.
  const opened = await takeUpFile(file, io, words, last, options, (act) => act());
  return { words, opened };
}

/**
 * Fills an empty index with what the file has, by the rules of the options, and says in the file that it is in use.
 *
 * @param locked - does something while nobody else touches the index.
 */
export async function takeUpFile(
  file: number,
  io: RecordIo,
  words: IndexWords,
  last: LastHeader | null,
  options: OpenSettings,
  locked: Locked,
): Promise<OpenedFile> {
  const header = last?.header ?? null;
  let found: OpenedFile["found"] = last === null ? "new" : "damaged";
  let isKept = false;
  if (last !== null && header !== null) {
    const isClean = last.isWhole && header.isClean;
    found = isClean ? "clean" : options.unclean;
    if (found !== "empty") {
      const { geometry } = words;
      isKept = await readIndex(io, file, new IndexTable(words), geometry, header.area, header, locked);
      if (!isKept) {
        found = "damaged";
        locked(() => emptyIndexWords(words));
      }
    }
  }
  // What was begun anew has a new number, so that records of before do not pass for its own.
  await prepare(file, io, words, isKept ? header : null, header?.number ?? 0, options);
  return { found, records: words.header[W_RECORDS] };
}

/** Says in the file that it is in use, before anything in it is changed. */
async function prepare(
  file: number,
  io: RecordIo,
  words: IndexWords,
  kept: FileHeader | null,
  lastNumber: number,
  options: OpenSettings,
): Promise<void> {
  const { header, numbers, geometry } = words;
  header[W_DROPS] = options.whenFull === "drop" ? 1 : 0;
  header[W_PINS] = options.unclean === "flushed" ? 1 : 0;
  numbers[F_BUDGET] = options.maxWriteBytesPerSecond;
  numbers[F_BUDGET_AT] = options.clock();
  const isTakenUp = kept !== null && !kept.isClean;
  const base: Omit<FileHeader, "number" | "draw"> = {
    storeNumber: kept?.storeNumber ?? drawn(),
    isClean: false,
    area: kept?.area ?? 0,
    entries: kept?.entries ?? 0,
    entriesCrc: kept?.entriesCrc ?? 0,
    sequence: kept?.sequence ?? 0,
    geometry,
    // 0 is that of a store whose every close was a good one.
    user: kept?.user ?? 0,
    generation: isTakenUp ? drawn() || 1 : (kept?.generation ?? 0),
  };
  header[W_STORE_NUMBER] = base.storeNumber | 0;
  header[W_GENERATION] = base.generation | 0;
  header[W_USER] = base.user;
  // Records that were written after the last flush have higher sequences than it knows of.
  numbers[F_SEQUENCE] = base.sequence + (isTakenUp ? 2 ** 32 : 0);
  if (header[W_PINS] === 1) words.pins[base.area].set(words.used);
  if (kept === null) await io.truncate(file, geometry.fileBytes);
  // Anew, both blocks are written; else one, and the other still says how the file was left.
  const numbersToWrite = kept === null ? [lastNumber + 1, lastNumber + 2] : [lastNumber + 1];
  for (const number of numbersToWrite) await writeHeader(io, file, words, { ...base, number });
}

function drawn(): number {
  return globalThis.crypto.getRandomValues(new Uint32Array(1))[0];
}

/** @throws {ZbudError} with the path in it. */
export function openFailed(path: string, cause: unknown): ZbudError {
  return faultOf(`the file ${show(path)} cannot be opened`, cause);
}

/** Of a path that the system does not open: says more if its folder is the reason. */
export function notOpened(path: string, cause: unknown): ZbudError {
  const { code } = (cause ?? {}) as { code?: unknown };
  if (code === "EISDIR") {
    const what = "it is a folder; give the path of a file in it";
    return new ZbudError("EINVAL", `the file ${show(path)} cannot be opened: ${what}`, { cause });
  }
  if (code !== "ENOENT" && code !== "ENOTDIR") return openFailed(path, cause);
  const what =
    code === "ENOENT"
      ? "the folder of this path is not there; make it first (mkdir with recursive: true)"
      : "a part of this path is a file, and not a folder; give another path";
  return new ZbudError("ENOENT", `the file ${show(path)} cannot be opened: ${what}`, { cause });
}
