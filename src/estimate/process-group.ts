import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { show, ZbudError } from "../base/index.ts";
import { watchPages } from "./cold-pages.ts";
import { othersRemedy } from "./process-errors.ts";
import { type ColdPages, openProcess, type ProcessHost, type ProcessMemory } from "./process-memory.ts";
import type { Progress } from "./progress.ts";
import type { ColdSummary, GroupSummary } from "./types.ts";

/** Which processes' memory to read. */
export interface Scope {
  pid?: number;
  /** A folder of the control groups' file system, or a path in it. */
  cgroup?: string;
  /** All processes but this one. */
  system?: boolean;
  /** Only pages that nobody uses for so many seconds. */
  cold?: number;
}

/** The memory of one process or of many. */
export interface ProcessGroup {
  memories: ProcessMemory[];
  /** Null: it is one process. */
  group: GroupSummary | null;
  cold: ColdSummary | null;
}

/**
 * Finds the processes of a scope, and which pages of them to read. Processes that have no memory of their own, or end
 * meanwhile, are left out; those that this user may not read are counted.
 *
 * @throws {ZbudError} what {@link openProcess} and {@link watchPages} throw; `ENOENT` for a control group that is not
 *   there or has no processes; `EACCES` if none of them may be read.
 */
export async function openGroup(scope: Scope, progress: Progress, host: ProcessHost): Promise<ProcessGroup> {
  const { pid, cold: seconds } = scope;
  const memories: ProcessMemory[] = [];
  const seen = new Set<number>();
  let watch: ColdPages | null = null;
  try {
    const group = pid === undefined ? await openAll(scope, memories, progress, host) : null;
    if (pid !== undefined) memories.push(openProcess(pid, host));
    if (seconds !== undefined) watch = await watchPages(memories, seconds, host, progress);
    await locateAll(memories, watch, group === null ? null : seen, progress);
    const cold = watch === null || seconds === undefined ? null : coldSummary(memories, watch, seconds);
    if (group !== null) {
      group.residentBytes = sum(memories, ({ bytes }) => bytes);
      group.swappedBytes = sum(memories, ({ summary }) => summary.swappedBytes);
      group.sharedBytes = sum(memories, ({ sharedBytes }) => sharedBytes);
    }
    if (sum(memories, ({ bytes }) => bytes) === 0) throw nothingThere(scope, cold);
    return { memories: memories.filter(({ bytes }) => bytes > 0), group, cold };
  } catch (error) {
    for (const memory of memories) memory.close();
    throw error;
  } finally {
    watch?.close();
  }
}

async function openAll(
  { cgroup }: Scope,
  memories: ProcessMemory[],
  progress: Progress,
  host: ProcessHost,
): Promise<GroupSummary> {
  const folder = cgroup === undefined ? null : groupFolder(cgroup, host);
  const pids = folder === null ? allProcesses(host) : processesOf(folder, cgroup as string);
  let denied: unknown;
  let unreadable = 0;
  for (const [i, pid] of pids.entries()) {
    progress.doing(`looking at process ${i + 1} of ${pids.length}`);
    try {
      const memory = openProcess(pid, host);
      memories.push(memory);
      // Hundreds of them would be open at once; each is opened again when it is read.
      memory.close();
    } catch (error) {
      if (!(error instanceof ZbudError)) throw error;
      if (error.code === "ENOTSUP") throw error;
      if (error.code === "EACCES") {
        denied = error;
        unreadable += 1;
      }
    }
    if (progress.shouldYield) await progress.yieldThread(0);
  }
  if (memories.length === 0 && denied !== undefined) {
    const which = unreadable === 1 ? "the only process there may not" : `none of ${unreadable} processes may`;
    throw new ZbudError(
      "EACCES",
      `${which} be read by this user: ${othersRemedy(host.root)}, or name one of your own with --pid`,
      { cause: denied },
    );
  }
  return {
    scope: folder === null ? "system" : "cgroup",
    name: folder ?? "",
    processes: memories.length,
    unreadable,
    residentBytes: 0,
    swappedBytes: 0,
    sharedBytes: 0,
  };
}

async function locateAll(
  memories: readonly ProcessMemory[],
  watch: ColdPages | null,
  seen: Set<number> | null,
  progress: Progress,
): Promise<void> {
  for (const [i, memory] of memories.entries()) {
    if (memories.length > 1) progress.doing(`finding the pages of process ${i + 1} of ${memories.length}`);
    watch?.begin(memory.pid);
    await memory.locate(progress, watch, seen);
    if (memories.length > 1) memory.close();
  }
}

function coldSummary(
  memories: readonly ProcessMemory[],
  { method }: ColdPages,
  seconds: number,
): ColdSummary {
  return {
    method,
    seconds,
    residentBytes: sum(memories, ({ residentBytes }) => residentBytes),
    coldBytes: sum(memories, ({ bytes }) => bytes),
  };
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

function nothingThere({ pid, cgroup }: Scope, cold: ColdSummary | null): ZbudError {
  if (cold !== null && cold.residentBytes > 0) {
    return new ZbudError(
      "ENOENT",
      `nothing is cold: every page was used within ${cold.seconds} s; wait longer (--cold 60), or leave out --cold`,
    );
  }
  const what =
    pid !== undefined
      ? `process ${pid} has no memory of its own to read: it has ended, or is part of the system`
      : cgroup !== undefined
        ? `the control group ${cgroup} has no process with memory of its own`
        : "there is no process with memory of its own but this one";
  return new ZbudError("ENOENT", what);
}

/** Numbers of all processes but this one. */
function allProcesses({ root = "/proc" }: ProcessHost): number[] {
  const own = root === "/proc" ? process.pid : 0;
  return readdirSync(root)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== own)
    .sort((a, b) => a - b);
}

/** A path as it is, or in one of the places where control groups are mounted. */
function groupFolder(cgroup: string, { sys = "/sys" }: ProcessHost): string {
  const inside = `${sys}/fs/cgroup`;
  for (const base of ["", inside, `${inside}/memory`, `${inside}/unified`]) {
    try {
      const folder = realpathSync(base === "" ? cgroup : join(base, cgroup));
      readFileSync(`${folder}/cgroup.procs`);
      return folder;
    } catch {
      // Not there: the next place.
    }
  }
  throw new ZbudError(
    "ENOENT",
    `no control group ${show(cgroup)}: give its folder, such as /sys/fs/cgroup/system.slice/ssh.service (systemd-cgls shows them)`,
  );
}

/** Of the group and of those below it. */
function processesOf(folder: string, cgroup: string): number[] {
  const pids = new Set<number>();
  const folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    try {
      for (const line of readFileSync(`${next}/cgroup.procs`, "latin1").split("\n")) {
        if (/^[1-9]\d*$/.test(line)) pids.add(Number(line));
      }
      for (const entry of readdirSync(next, { withFileTypes: true })) {
        if (entry.isDirectory()) folders.push(join(next, entry.name));
      }
    } catch {
      // A group that went away meanwhile has no processes.
    }
  }
  pids.delete(process.pid);
  if (pids.size === 0) throw new ZbudError("ENOENT", `the control group ${cgroup} has no processes`);
  return [...pids].sort((a, b) => a - b);
}
