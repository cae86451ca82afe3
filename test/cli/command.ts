import assert from "node:assert/strict";
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/until.ts";

export const MAIN: string = join(import.meta.dirname, "../../src/cli/main.ts");
export const START: string = join(import.meta.dirname, "../../src/cli/start.ts");
/** Keeps Node 22 from saying that it runs TypeScript. */
export const QUIET = "--disable-warning=ExperimentalWarning";

/** How a command ended, and what it said. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions extends SpawnOptions {
  /** What to feed to standard input; without it there is none. */
  input?: string | Uint8Array;
  /** Flags of node itself. */
  flags?: string[];
  /** The file to run; default the command line. */
  file?: string;
}

/** Starts the real command. */
export function start(args: readonly string[], options: CommandOptions = {}): ChildProcess {
  const { input, flags = [], file = MAIN, env, ...rest } = options;
  return spawn(process.execPath, [QUIET, ...flags, file, ...args], {
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    ...rest,
    env: { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, NODE_OPTIONS: undefined, ...env },
  });
}

/**
 * Waits for a command, and collects what it says. It is called before whatever makes the command end: of one that has
 * ended, Node tells nobody any more, and what it said last is dropped.
 */
export async function ended(child: ChildProcess): Promise<Ended> {
  if (child.exitCode !== null || child.signalCode !== null) {
    assert.fail(`${child.spawnargs.slice(-4).join(" ")} ended before it was waited for`);
  }
  const texts = [child.stdout, child.stderr].map(async (stream) => {
    let text = "";
    stream?.setEncoding("utf8");
    try {
      for await (const piece of stream ?? []) text += piece;
    } catch {
      // A test that closed its end gets nothing more.
    }
    return text;
  });
  const exited = once(child, "exit");
  const [stdout, stderr] = await Promise.all(texts);
  const [code, signal] = (await exited) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

/** Runs a command to its end. */
export async function run(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const child = start(args, options);
  if (options.input !== undefined) {
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input);
  }
  return await ended(child);
}

/** Whether a process has a file open (Linux). */
export function hasOpen(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path);
  } catch {
    return false; // a descriptor that was closed meanwhile
  }
}

/** How many bytes a process has read, from whatever (Linux). */
export function bytesReadBy(pid: number): number {
  return Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

/** The processor time that a process has taken, in ticks of 10 ms: in its own code, and in the system's (Linux). */
function ticksOf(pid: number): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14).map(Number);
}

/** Waits until a process has taken so many more ticks of processor time for its own code: it computes (Linux). */
export async function untilItWorked(pid: number, ticks: number): Promise<void> {
  const [before] = ticksOf(pid);
  await until("the process to compute", () => ticksOf(pid)[0] >= before + ticks);
}

/** Waits until a process has begun and then taken no processor time for a second: it waits for something (Linux). */
export async function untilItWaits(pid: number): Promise<void> {
  let last = "";
  let quiet = 0;
  const isQuiet = (): boolean => {
    const now = ticksOf(pid).join(" ");
    quiet = now === last && now !== "0 0" ? quiet + 1 : 0;
    last = now;
    return quiet >= 100;
  };
  await until("the process to wait", isQuiet, { everyMs: 10 });
}
