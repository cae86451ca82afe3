import { required } from "../system.ts";

/** What a store does with its open file. */
export interface RecordIo {
  closeSync(file: number): void;
  truncate(file: number, size: number): Promise<void>;
  /** Bytes written, which may be fewer than there are. */
  write(file: number, bytes: Uint8Array, position: number): Promise<number>;
  writeSync(file: number, bytes: Uint8Array, position: number): number;
  /** Bytes read: fewer at the end of the file. */
  read(file: number, bytes: Uint8Array, position: number): Promise<number>;
  readSync(file: number, bytes: Uint8Array, position: number): number;
  /** Waits until what was written would survive the system's end. */
  sync(file: number): Promise<void>;
}

/** What a file on disk can do. Tests put one with faults in its place. */
export interface FileIo extends RecordIo {
  /** Opens for reading and writing; creates it, for its owner only, if it is not there and `create` is set. */
  open(path: string, create: boolean): Promise<number>;
  openSync(path: string): number;
  /** Its length and which file it is. */
  statSync(file: number): { size: number; device: number; inode: number; isFile: boolean };
}

type Fs = typeof import("node:fs");
type Callback<Result> = (error: Error | null, result: Result) => void;

/** For the owner only: records hold what users store. */
const MODE = 0o600;

/** Files by their numbers, which all threads of a process can use, and which block no event loop. */
export function systemIo(): FileIo {
  const fs: Fs = required<typeof import("node:fs")>("node:fs", "a file");
  const { O_RDWR, O_CREAT } = fs.constants;
  const settle = <Result>(start: (done: Callback<Result>) => void): Promise<Result> =>
    new Promise((resolve, reject) => {
      start((error, result) => (error === null ? resolve(result) : reject(error)));
    });
  return {
    open: (path, create) => settle((done) => fs.open(path, create ? O_RDWR | O_CREAT : O_RDWR, MODE, done)),
    openSync: (path) => fs.openSync(path, O_RDWR),
    closeSync: (file) => fs.closeSync(file),
    statSync: (file) => {
      const stat = fs.fstatSync(file);
      return { size: stat.size, device: stat.dev, inode: stat.ino, isFile: stat.isFile() };
    },
    truncate: (file, size) => settle<void>((done) => fs.ftruncate(file, size, (error) => done(error))),
    write: (file, bytes, position) =>
      settle((done) => fs.write(file, bytes, 0, bytes.length, position, done)),
    writeSync: (file, bytes, position) => fs.writeSync(file, bytes, 0, bytes.length, position),
    read: (file, bytes, position) => settle((done) => fs.read(file, bytes, 0, bytes.length, position, done)),
    readSync: (file, bytes, position) => fs.readSync(file, bytes, 0, bytes.length, position),
    sync: (file) => settle<void>((done) => fs.fdatasync(file, (error) => done(error))),
  };
}

/**
 * Writes all of `bytes`, in as many goes as it takes.
 *
 * @throws the system's error, or one of code `EIO` if it takes no more bytes.
 */
export async function writeAll(
  io: RecordIo,
  file: number,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const written = await io.write(file, bytes.subarray(at), position + at);
    if (written <= 0) throw shortWrite(at, bytes.length);
    at += written;
  }
}

/** {@link writeAll} before it returns. */
export function writeAllSync(io: RecordIo, file: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    const written = io.writeSync(file, bytes.subarray(at), position + at);
    if (written <= 0) throw shortWrite(at, bytes.length);
    at += written;
  }
}

/** Fills `into` as far as the file reaches. @returns bytes read. */
export async function readAll(
  io: RecordIo,
  file: number,
  into: Uint8Array,
  position: number,
): Promise<number> {
  let at = 0;
  while (at < into.length) {
    const read = await io.read(file, into.subarray(at), position + at);
    if (read <= 0) break;
    at += read;
  }
  return at;
}

/** {@link readAll} before it returns. */
export function readAllSync(io: RecordIo, file: number, into: Uint8Array, position: number): number {
  let at = 0;
  while (at < into.length) {
    const read = io.readSync(file, into.subarray(at), position + at);
    if (read <= 0) break;
    at += read;
  }
  return at;
}

function shortWrite(written: number, wanted: number): Error {
  return Object.assign(new Error(`only ${written} of ${wanted} bytes were written`), { code: "EIO" });
}
