import { builtin } from "./builtin.ts";
import { ZbudError } from "./errors.ts";

/** What memory there is for this process, at one moment. */
export interface MachineMemory {
  /** The lowest limit of the process's control group and those around it, at most the machine's memory. */
  readonly limitBytes: number;
  /**
   * What may be taken before the kernel has to swap or kill: the least over the groups and the machine. Page cache
   * that can be dropped counts as available, pages of shared memory (tmpfs) do not.
   */
  readonly availableBytes: number;
  /** Who has that least: a control group of that version, or the machine. */
  readonly source: "cgroup2" | "cgroup1" | "machine";
  /**
   * Pressure stall information: in how many of the last ten seconds, in percent, some or all tasks waited for memory.
   * It is that of the process's own group where groups have it, or else the machine's. Null: nobody counts.
   */
  readonly pressure: { readonly some: number; readonly full: number } | null;
}

type Fs = typeof import("node:fs");
type GroupVersion = "cgroup2" | "cgroup1";

/** A control group's open files. */
interface Group {
  readonly version: GroupVersion;
  /** The lowest number in these counts. */
  readonly limits: readonly number[];
  readonly usage: number;
  readonly stat: number;
}

/** Names of files and fields in the two versions of control groups. */
const NAMES = {
  cgroup2: {
    // Beyond `high` the kernel slows the group down until little goes on: as good as a limit.
    limits: ["memory.max", "memory.high"],
    usage: "memory.current",
    reclaimable: "inactive_file",
    halfReclaimable: ["active_file", "slab_reclaimable"],
  },
  cgroup1: {
    limits: ["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    // Those without "total" leave groups within this one out.
    reclaimable: "total_inactive_file",
    halfReclaimable: ["total_active_file"],
  },
} as const;

/** More than any of the files has. */
const MAX_FILE_BYTES = 2 ** 14;

/**
 * Reads again and again what memory there is. It finds the files once and keeps them open (some four for each group
 * around the process), so that a read takes 20 to 100 µs and no file descriptor when there are none left.
 */
export class MemoryReader {
  readonly #fs: Fs;
  readonly #os: typeof import("node:os");
  readonly #root: string;
  readonly #buffer: Buffer;
  #files: number[] = [];
  #groups: Group[] = [];
  #machine: number | undefined;
  #pressure: number | undefined;
  /** Whether a file could not be read: the group is gone, since the process is in another one. */
  #isStale = false;

  /**
   * @param root - the folder that `proc` and `sys` are in, for tests.
   * @throws {ZbudError} `ENOTSUP` in browsers.
   */
  constructor(root = "") {
    const os = builtin<typeof import("node:os")>("node:os");
    const fs = builtin<Fs>("node:fs");
    if (os === undefined || fs === undefined) {
      throw new ZbudError(
        "ENOTSUP",
        "this system does not tell how much memory there is, which a percentage and { min, max } need; give a number of bytes",
      );
    }
    this.#fs = fs;
    this.#os = os;
    this.#root = root;
    this.#buffer = Buffer.alloc(MAX_FILE_BYTES);
    this.#open();
  }

  /** What memory there is now. Systems without `/proc` have only `node:os` to tell, and macOS tells no one. */
  read(): MachineMemory {
    const memory = this.#look();
    if (!this.#isStale) return memory;
    this.close();
    this.#open();
    return this.#look();
  }

  /** Closes the files. Without this they stay open until the process ends. */
  close(): void {
    for (const file of this.#files) this.#fs.closeSync(file);
    this.#files = [];
    this.#groups = [];
    this.#machine = undefined;
    this.#pressure = undefined;
  }

  #look(): MachineMemory {
    const machine = this.#machine === undefined ? "" : this.#text(this.#machine);
    let limitBytes = field(machine, "MemTotal:") * 1024 || this.#os.totalmem();
    let availableBytes = field(machine, "MemAvailable:") * 1024 || this.#freeBytes();
    let source: MachineMemory["source"] = "machine";
    for (const { version, limits, usage, stat } of this.#groups) {
      let limit = Number.POSITIVE_INFINITY;
      for (const file of limits) limit = Math.min(limit, limitOf(this.#text(file)));
      // What has no limit now may get one later.
      if (limit === Number.POSITIVE_INFINITY) continue;
      limitBytes = Math.min(limitBytes, limit);
      const unused = limit - Number.parseInt(this.#text(usage), 10);
      // The longest file is read only where it can matter.
      if (!(unused < availableBytes)) continue;
      const available = Math.max(0, unused) + reclaimableBytes(version, this.#text(stat));
      if (available >= availableBytes) continue;
      availableBytes = available;
      source = version;
    }
    const pressure = this.#pressure === undefined ? null : pressureOf(this.#text(this.#pressure));
    return { limitBytes, availableBytes, source, pressure };
  }

  /** Of the machine, where it has no `/proc/meminfo`. */
  #freeBytes(): number {
    // Node counts only pages that nobody ever used there, of which macOS leaves few: it would always look full.
    return this.#os.platform() === "darwin" ? Number.POSITIVE_INFINITY : this.#os.freemem();
  }

  #open(): void {
    this.#isStale = false;
    this.#machine = this.#openFile("/proc/meminfo");
    const own = this.#content("/proc/self/cgroup");
    const mounts = this.#content("/proc/self/mountinfo");
    for (const version of ["cgroup2", "cgroup1"] as const) {
      const folders = groupFolders(version, own, mounts);
      for (const folder of folders) this.#openGroup(version, folder);
      if (version === "cgroup2" && folders.length > 0)
        this.#pressure ??= this.#openFile(`${folders[0]}/memory.pressure`);
    }
    this.#pressure ??= this.#openFile("/proc/pressure/memory");
  }

  /** The root has no limit, and a group may be without the memory controller: those are left out. */
  #openGroup(version: GroupVersion, folder: string): void {
    const names = NAMES[version];
    const limits = names.limits
      .map((name) => this.#openFile(`${folder}/${name}`))
      .filter((file) => file !== undefined);
    if (limits.length === 0) return;
    const usage = this.#openFile(`${folder}/${names.usage}`);
    const stat = this.#openFile(`${folder}/memory.stat`);
    if (usage !== undefined && stat !== undefined) this.#groups.push({ version, limits, usage, stat });
  }

  /** Undefined if there is none, or it cannot be read: the kernel may be told not to count stalls. */
  #openFile(path: string): number | undefined {
    try {
      const file = this.#fs.openSync(this.#root + path, "r");
      this.#files.push(file);
      this.#fs.readSync(file, this.#buffer, 0, 1, 0);
      return file;
    } catch {
      return undefined;
    }
  }

  #text(file: number): string {
    try {
      return this.#buffer.toString("latin1", 0, this.#fs.readSync(file, this.#buffer, 0, MAX_FILE_BYTES, 0));
    } catch {
      this.#isStale = true;
      return "";
    }
  }

  #content(path: string): string {
    try {
      return this.#fs.readFileSync(this.#root + path, "utf8");
    } catch {
      return "";
    }
  }
}

/**
 * What memory there is now. Takes about half a millisecond; a {@link MemoryReader} is for those who ask often.
 *
 * @throws {ZbudError} `ENOTSUP` in browsers.
 */
export function machineMemory(): MachineMemory {
  const reader = new MemoryReader();
  try {
    return reader.read();
  } finally {
    reader.close();
  }
}

/**
 * The memory that this process may use: the lowest limit of its control group and of those around it (containers have
 * one), or else the machine's. Takes about half a millisecond.
 *
 * @returns bytes.
 * @throws {ZbudError} `ENOTSUP` where neither is known, as in browsers: give a number of bytes there.
 */
export function memoryBytes(): number {
  return machineMemory().limitBytes;
}

/**
 * {@link MachineMemory.availableBytes} now, or Infinity where nobody tells: in browsers, on macOS. Takes about half a
 * millisecond.
 */
export function availableBytes(): number {
  if (builtin<Fs>("node:fs") === undefined) return Number.POSITIVE_INFINITY;
  return machineMemory().availableBytes;
}

/**
 * The folders of the process's memory group and those around it, innermost first.
 *
 * @param own - `/proc/self/cgroup`: `ID:CONTROLLERS:PATH` for each hierarchy.
 * @param mounts - `/proc/self/mountinfo`: which part of a hierarchy is seen where. A container may see its own group as
 *   root, while its path is that outside of it.
 */
function groupFolders(version: GroupVersion, own: string, mounts: string): string[] {
  const isMemory = (list: string): boolean => list.split(",").includes("memory");
  const isOwn = version === "cgroup2" ? (controllers: string) => controllers === "" : isMemory;
  const path = own
    .split("\n")
    .map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [])
    .find(([, controllers, path]) => path !== undefined && isOwn(controllers))?.[2];
  if (path === undefined) return [];
  for (const line of mounts.split("\n")) {
    const [, top, point, type, options] = /^\S+ \S+ \S+ (\S+) (\S+) .* - (\S+) \S+ (\S+)/.exec(line) ?? [];
    const isMount = version === "cgroup2" ? type === "cgroup2" : type === "cgroup" && isMemory(options);
    if (isMount) return foldersBelow(point, pathBelow(top, path));
  }
  return [];
}

/** `path` as seen from `top`; "" if it is not below it, so that what is seen as root is all that is known. */
function pathBelow(top: string, path: string): string {
  const prefix = top === "/" ? "" : top;
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : "";
}

function foldersBelow(point: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  // A process outside of what its namespace shows has a path that leads up.
  if (parts.includes("..")) return [point];
  return [...parts.keys(), parts.length]
    .reverse()
    .map((depth) => [point, ...parts.slice(0, depth)].join("/"));
}

/** The number after a name at the start of a line; NaN if there is none. */
function field(text: string, name: string): number {
  const start = text.startsWith(name) ? 0 : text.indexOf(`\n${name}`) + 1;
  if (start === 0 && !text.startsWith(name)) return Number.NaN;
  return Number.parseInt(text.slice(start + name.length, start + name.length + 24), 10);
}

/** "max" (version 2), or more than can be counted (version 1), is no limit. */
function limitOf(text: string): number {
  const limit = Number.parseInt(text, 10);
  return Number.isSafeInteger(limit) && limit > 0 ? limit : Number.POSITIVE_INFINITY;
}

/**
 * Bytes in use that the kernel drops without swapping. Of what is in active use, such as the program's own code, only
 * half: without the rest the group would do little but read it again.
 */
function reclaimableBytes(version: GroupVersion, stat: string): number {
  const { reclaimable, halfReclaimable } = NAMES[version];
  let bytes = field(stat, `${reclaimable} `) || 0;
  for (const name of halfReclaimable) bytes += Math.floor((field(stat, `${name} `) || 0) / 2);
  return bytes;
}

function pressureOf(text: string): MachineMemory["pressure"] {
  const some = /^some avg10=([\d.]+)/m.exec(text);
  if (some === null) return null;
  return { some: Number(some[1]), full: Number(/^full avg10=([\d.]+)/m.exec(text)?.[1] ?? 0) };
}
