/** Memory control groups (cgroups, Linux), so that a test can give a process little memory, and see it killed for more. */

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./until.ts";

/** How a program in a group ended. */
export interface GroupRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether the kernel killed it, or a process that it started, since the group had no memory left. */
  readonly isKilledForMemory: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** The folders of control groups of one version, the process's own first, then those around it. */
interface Hierarchy {
  readonly version: 1 | 2;
  readonly folders: readonly string[];
}

const QUIET = "--disable-warning=ExperimentalWarning";
/** Moves itself into the group of the first argument, then becomes the program of the others. */
const ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"';

let groupCount = 0;

/**
 * A group for processes that may take `limitBytes` together, without swap. Needs root, or a group that was handed to
 * this user; where none can be made, the constructor throws and says what to do. Remove it when the test ends:
 * `after(() => group.remove())`.
 */
export class MemoryGroup {
  readonly limitBytes: number;
  readonly #version: 1 | 2;
  #oomKills = 0;
  /** Where its files are, such as `memory.stat`. */
  readonly folder: string;
  /** The group of the process that made it. */
  readonly ownFolder: string;

  constructor(limitBytes: number) {
    const { version, folder, ownFolder } = makeGroup();
    this.limitBytes = limitBytes;
    this.#version = version;
    this.folder = folder;
    this.ownFolder = ownFolder;
    if (version === 2) {
      this.#write("memory.max", limitBytes);
      if (this.#has("memory.swap.max")) this.#write("memory.swap.max", 0);
    } else {
      this.#write("memory.limit_in_bytes", limitBytes);
      // With swap: refused if it is less than the limit without.
      if (this.#has("memory.memsw.limit_in_bytes")) this.#write("memory.memsw.limit_in_bytes", limitBytes);
    }
  }

  /** Bytes in use by its processes, page cache and pages of shared memory included. */
  get usedBytes(): number {
    return Number(this.#read(this.#version === 2 ? "memory.current" : "memory.usage_in_bytes"));
  }

  /** How many processes the kernel has killed in it for lack of memory; once it is gone, as last seen. */
  get oomKills(): number {
    if (existsSync(this.folder)) {
      const text = this.#read(this.#version === 2 ? "memory.events" : "memory.oom_control");
      this.#oomKills = Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    }
    return this.#oomKills;
  }

  /** Starts Node in the group, with these arguments. Of several processes in it the kernel may kill any. */
  start(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn("sh", ["-c", ENTER, this.folder, process.execPath, QUIET, ...args], options);
  }

  /** Runs Node in the group, with these arguments, and waits for its end. */
  async run(args: readonly string[], options: SpawnOptions = {}): Promise<GroupRun> {
    const kills = this.oomKills;
    const child = this.start(args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr, { code, signal }] = await Promise.all([
      textOf(child.stdout),
      textOf(child.stderr),
      new Promise<Pick<GroupRun, "code" | "signal">>((resolve, reject) => {
        child.once("error", reject);
        child.once("close", (code, signal) => resolve({ code, signal }));
      }),
    ]);
    return { code, signal, isKilledForMemory: this.oomKills > kills, stdout, stderr };
  }

  /** Kills what still runs in it, and removes it. */
  async remove(): Promise<void> {
    await until(`${this.folder} can be removed`, () => {
      if (!existsSync(this.folder)) return true;
      for (const pid of this.#read("cgroup.procs").trim().split("\n")) {
        if (pid !== "") killIfThere(Number(pid));
      }
      try {
        rmdirSync(this.folder);
        return true;
      } catch (error) {
        // A process that was killed is in it for a moment more.
        if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
        throw error;
      }
    });
  }

  #has(file: string): boolean {
    return existsSync(join(this.folder, file));
  }

  #read(file: string): string {
    return readFileSync(join(this.folder, file), "utf8");
  }

  #write(file: string, value: number): void {
    writeFileSync(join(this.folder, file), String(value));
  }
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = "";
  for await (const part of stream ?? []) text += String(part);
  return text;
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Below the process's own group if that can be, so that the limits around this process hold for it too. */
function makeGroup(): { version: 1 | 2; folder: string; ownFolder: string } {
  const failures: string[] = [];
  const name = `zbud-test-${process.pid}-${++groupCount}`;
  for (const { version, folders } of hierarchies()) {
    for (const parent of folders) {
      const folder = join(parent, name);
      try {
        mkdirSync(folder);
        removeLeftOver(parent);
        if (hasMemory(version, folder) || handDownMemory(version, parent, folder))
          return { version, folder, ownFolder: folders[0] };
        rmdirSync(folder);
        failures.push(`${folder}: without the memory controller`);
      } catch (error) {
        failures.push(`${folder}: ${(error as Error).message}`);
      }
    }
  }
  const tried = failures.length === 0 ? "there are no memory groups" : failures.join("\n  ");
  throw new Error(
    `This test needs a memory control group, and none could be made:
  ${tried}
Run it on Linux as root: sudo npm test. In a container, start that with --privileged, which lets it write below
/sys/fs/cgroup; where its own group has processes (version 2), --cgroupns=host is needed too.`,
  );
}

/** Groups of tests that were killed themselves. */
function removeLeftOver(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^zbud-test-(\d+)-\d+$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      rmdirSync(join(parent, name));
    } catch {
      // Another test is faster, or a process of it is still in the group.
    }
  }
}

function hasMemory(version: 1 | 2, folder: string): boolean {
  return existsSync(join(folder, version === 2 ? "memory.max" : "memory.limit_in_bytes"));
}

/** In version 2, groups within one have only the controllers that it hands down; it must be without processes, or the root. */
function handDownMemory(version: 1 | 2, parent: string, folder: string): boolean {
  if (version === 1) return false;
  try {
    writeFileSync(join(parent, "cgroup.subtree_control"), "+memory");
  } catch {
    return false;
  }
  return hasMemory(version, folder);
}

/** Those that may have the memory controller. */
function hierarchies(): Hierarchy[] {
  const read = (path: string): string[] =>
    existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  const own = read("/proc/self/cgroup").map((line) => line.split(":"));
  const found: Hierarchy[] = [];
  for (const line of read("/proc/self/mountinfo")) {
    const [, top, point, type, options] = /^\S+ \S+ \S+ (\S+) (\S+) .* - (\S+) \S+ (\S+)/.exec(line) ?? [];
    const isFirst = type === "cgroup" && options.split(",").includes("memory");
    if (type !== "cgroup2" && !isFirst) continue;
    const isOwn = (controllers: string): boolean =>
      isFirst ? controllers.split(",").includes("memory") : controllers === "";
    const path =
      own
        .find(([, controllers]) => isOwn(controllers))
        ?.slice(2)
        .join(":") ?? "/";
    const prefix = top === "/" ? "" : top;
    const parts = path.startsWith(`${prefix}/`) ? path.slice(prefix.length).split("/").filter(Boolean) : [];
    const folders = [...parts.keys(), parts.length].reverse().map((n) => join(point, ...parts.slice(0, n)));
    found.push({ version: isFirst ? 1 : 2, folders });
  }
  return found;
}
