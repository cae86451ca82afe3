/** Threads that die with something of Node's own in their hands: that must never end the whole process. */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../scripts/tools.ts";
import type { Held } from "./native-kills-worker.ts";

export interface NativeKillOptions {
  /** What the threads have in their hands. */
  readonly held: Held;
  readonly kills: number;
  readonly seed: number;
  /** Of the process in which they die. */
  readonly execArgv?: readonly string[];
}

export interface NativeKillReport {
  kills: number;
  /** For each process that ended before its time: how, and the first that it said. */
  aborts: string[];
  seconds: number;
}

const CHILD = fileURLToPath(new URL("./native-kills-child.ts", import.meta.url));

/** Kills that many threads, one after the other, in a process of their own; in a further one when it aborts. */
export async function killHolders(options: NativeKillOptions): Promise<NativeKillReport> {
  const start = performance.now();
  const report: NativeKillReport = { kills: 0, aborts: [], seconds: 0 };
  const folder = temporaryFolder("natives");
  while (report.kills < options.kills) await oneProcess(options, folder, report);
  report.seconds = (performance.now() - start) / 1000;
  return report;
}

async function oneProcess(
  options: NativeKillOptions,
  folder: string,
  report: NativeKillReport,
): Promise<void> {
  const { held, kills, seed, execArgv = [] } = options;
  const left = kills - report.kills;
  const given = [held, String(left), String(seed + report.kills), folder];
  const args = ["--disable-warning=ExperimentalWarning", ...execArgv, CHILD, ...given];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    told += more;
  });
  child.stderr.setEncoding("utf8").on("data", (more: string) => {
    complaint += more;
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once("close", (...end) => resolve(end));
  });
  // One point for each thread that died and left the process alive.
  const survived = told.split(".").length - 1;
  report.kills += survived;
  if (code === 0 && survived === left) return;
  report.kills++;
  report.aborts.push(`${signal ?? `exit code ${code}`} after ${survived}: ${complaint.trim().slice(0, 400)}`);
}
