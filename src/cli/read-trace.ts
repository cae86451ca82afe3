import { constants as limits } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, type Stats } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ZbudError } from "../base/index.ts";
import type { Trace } from "../trace/index.ts";
import { printable } from "./printable.ts";
import { createProgress, type Progress } from "./progress-bar.ts";

/** Between two looks at whether to stop. */
const TURN_MS = 40;
/** What has room beside a bar. */
const NAME_LENGTH_MAX = 30;
/** What a string can hold, in bytes of the narrowest text. */
const TEXT_BYTES_MAX = limits.MAX_STRING_LENGTH;

/**
 * Reads a trace: a file, a pipe that has a name, or standard input (`-`). Whatever it waits for, the signal
 * ends it.
 *
 * @throws {ZbudError} `ENOENT` if it cannot be read, `EINVAL` if it is empty or too long. The signal's reason.
 */
export async function readTrace(file: string, signal: AbortSignal): Promise<string> {
  const bytes = await readBytes(file, signal);
  if (bytes.length === 0) throw new ZbudError("EINVAL", "it is empty; name a trace");
  if (bytes.length > TEXT_BYTES_MAX) throw tooLong();
  return bytes.toString("utf8");
}

async function readBytes(file: string, signal: AbortSignal): Promise<Buffer> {
  // Where standard input is a socket, its name in /dev cannot be opened.
  if (file === "-" || file === "/dev/stdin") return await collect(process.stdin, signal);
  try {
    const { fd, stat } = openNow(file);
    // Closed and opened again below: as a pipe it stays open, as a file it need not.
    if (stat.isFIFO()) return await readPipe(fd, signal);
    closeSync(fd);
    if (stat.size > TEXT_BYTES_MAX) throw tooLong();
    return await readFile(file, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ZbudError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
    throw new ZbudError("ENOENT", `${why}; name a trace`, { cause: error });
  }
}

/** To open a pipe that nobody writes to yet would otherwise wait, and no signal would be heard meanwhile. */
function openNow(file: string): { fd: number; stat: Stats } {
  const fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  return { fd, stat: fstatSync(fd) };
}

/** As a socket, a pipe is waited for without a thread that would wait in vain. */
async function readPipe(fd: number, signal: AbortSignal): Promise<Buffer> {
  const { Socket } = await import("node:net");
  return await collect(new Socket({ fd, readable: true, writable: false }), signal);
}

async function collect(
  stream: NodeJS.ReadStream | import("node:net").Socket,
  signal: AbortSignal,
): Promise<Buffer> {
  const { addAbortSignal } = await import("node:stream");
  addAbortSignal(signal, stream);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length > TEXT_BYTES_MAX) throw tooLong();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return Buffer.concat(chunks);
}

function tooLong(): ZbudError {
  return new ZbudError("EINVAL", `it is longer than ${Math.round(TEXT_BYTES_MAX / 2 ** 20)} MB: split it`);
}

/** Reads and parses a trace, and shows how far it is. */
export async function parsedTrace(file: string, signal: AbortSignal, progress: Progress): Promise<Trace> {
  const { parseSteps } = await import("../trace/index.ts");
  const text = await readTrace(file, signal);
  const lines = linesOf(text);
  const doing = `reading ${shortName(file)}`;
  return await inTurns(parseSteps(text), signal, (line) => progress.at(line / lines, doing));
}

function linesOf(text: string): number {
  let lines = 1;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}

/** What a bar calls a trace: the end of its name, so that the line stays one. */
export function shortName(file: string): string {
  return file === "-" ? "standard input" : printable(basename(file)).slice(-NAME_LENGTH_MAX);
}

/** The same; what is wrong with it is said with its name. */
export async function readTraceFile(file: string, signal: AbortSignal): Promise<Trace> {
  const name = file === "-" ? "standard input" : printable(file);
  const progress = await createProgress(true);
  try {
    return await naming(name, () => parsedTrace(file, signal, progress));
  } finally {
    progress.stop();
  }
}

/**
 * Drives a long work to its end; between its turns Ctrl-C is answered.
 *
 * @param onTurn - gets what the work yielded last, after each turn.
 */
export async function inTurns<S, T>(
  steps: Generator<S, T>,
  signal: AbortSignal,
  onTurn: (step: S) => void,
): Promise<T> {
  let turnEnds = performance.now() + TURN_MS;
  try {
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      if (performance.now() < turnEnds) continue;
      onTurn(value);
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      turnEnds = performance.now() + TURN_MS;
    }
  } finally {
    steps.return(undefined as T);
  }
}

/** Puts the file's name in front of what is wrong with it. */
export async function naming<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ZbudError)) throw error;
    throw new ZbudError(error.code, `${name}: ${error.message.replace(/ \([A-Z]+\)$/, "")}`, {
      cause: error,
    });
  }
}
