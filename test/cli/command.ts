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

/** Waits for a command, and collects what it says. */
export async function ended(child: ChildProcess): Promise<Ended> {
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

/** Waits until a process has begun and then taken no processor time for a second: it waits for something (Linux). */
export async function untilItWaits(pid: number): Promise<void> {
  let ticks = "";
  let quiet = 0;
  await until(
    "the process to wait",
    () => {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const now = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14).join(" ");
      quiet = now === ticks && now !== "0 0" ? quiet + 1 : 0;
      ticks = now;
      return quiet >= 100;
    },
    { everyMs: 10 },
  );
}
