import { show, ZbudError } from "../../base/index.ts";
import { faultOf, required } from "../system.ts";
import type { Ownership } from "./record-file.ts";

/**
 * Which process has a file: each puts a file of its own beside it, `NAME.owner-…`, then looks whether there
 * is another's. Of two that come at once at least the later sees the earlier; none that lives is overlooked.
 * Names are never used twice, so one that was left by a process that died can be removed by anybody.
 *
 * Its content, JSON: the process's number, when it started in clock ticks, and the machine and namespace in
 * which that number means something. From elsewhere (another container with this folder) nobody can see
 * whether a process lives; there the note's age tells, which its owner makes young every 10 s.
 */
interface Owner {
  readonly pid: number;
  readonly started: string;
  readonly place: string;
}

type Fs = typeof import("node:fs");

const fs = (): Fs => required<typeof import("node:fs")>("node:fs", "a file");

const SIGN_OF_LIFE_MS = 10_000;
/** An owner elsewhere that gave no sign of life for so long counts as gone. */
const SILENT_MS = 60_000;

/** Distinguishes several files of one process and moment. */
let count = 0;

function self(): Owner {
  return { pid: process.pid, started: startOf("self") ?? "", place: placeOf() };
}

/** When a process started, in clock ticks since the system did (Linux); undefined if there is none. */
function startOf(pid: number | "self"): string | undefined {
  try {
    const stat = fs().readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Machine, its start, and process namespace: numbers of processes are comparable within one of these. */
export function placeOf(): string {
  const read = (get: () => string): string => {
    try {
      return get().trim();
    } catch {
      return "";
    }
  };
  const boot = read(() => fs().readFileSync("/proc/sys/kernel/random/boot_id", "latin1"));
  const namespace = read(() => fs().readlinkSync("/proc/self/ns/pid"));
  return `${required<typeof import("node:os")>("node:os", "a file").hostname()} ${boot} ${namespace}`;
}

function isAlive(owner: Owner): boolean {
  if (owner.started !== "") return startOf(owner.pid) === owner.started;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Takes a file for this process.
 *
 * @throws {ZbudError} `EBUSY` if another process, or another store of this one, has it; `EACCES`, `EIO`,
 *   `ENOSPC`, `ENOENT` if the folder does not take a file.
 */
export function takeOwnership(path: string): Ownership {
  const { dirname, basename, join, resolve } = required<typeof import("node:path")>("node:path", "a file");
  const full = resolve(path);
  const folder = dirname(full);
  const stem = `${basename(full)}.owner-`;
  const me = self();
  const own = `${stem}${me.pid}-${me.started}-${Date.now().toString(36)}-${(count++).toString(36)}`;
  try {
    // Beside, then moved: whoever reads it finds all of it.
    fs().writeFileSync(join(folder, `${own}~`), JSON.stringify(me), { mode: 0o600, flag: "wx" });
    fs().renameSync(join(folder, `${own}~`), join(folder, own));
  } catch (error) {
    throw faultOf(`the note of who uses ${show(path)} cannot be put beside it`, error);
  }
  const sign = setInterval(() => {
    const now = new Date();
    // Nothing to be done about a failure: the next sign may succeed.
    fs().utimes(join(folder, own), now, now, () => undefined);
  }, SIGN_OF_LIFE_MS);
  sign.unref();
  const release = (): void => {
    clearInterval(sign);
    fs().rmSync(join(folder, own), { force: true });
  };
  try {
    // As the file system's clock has it.
    const now = fs().statSync(join(folder, own)).mtimeMs;
    for (const name of fs().readdirSync(folder)) {
      if (!name.startsWith(stem) || name === own) continue;
      if (name.endsWith("~")) {
        removeIfLeft(join(folder, name), now);
        continue;
      }
      const why = whyTaken(join(folder, name), me, now);
      if (why !== null) throw new ZbudError("EBUSY", `the file ${show(path)} is in use ${why}`);
    }
  } catch (error) {
    release();
    throw faultOf(`it cannot be seen who uses ${show(path)}`, error);
  }
  return { release };
}

/** Why a note of another owner counts, or null if it does not: then it is removed. */
function whyTaken(note: string, me: Owner, now: number): string | null {
  let owner: Owner;
  let silentMs: number;
  try {
    silentMs = now - fs().statSync(note).mtimeMs;
    owner = JSON.parse(fs().readFileSync(note, "utf8")) as Owner;
  } catch (error) {
    // Released meanwhile.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    return `as ${note} says, which cannot be read; remove it if no process uses the file`;
  }
  if (owner.place !== me.place) {
    // A machine that was started anew has no process of before. Another machine or container may have.
    if (isRestart(owner.place, me.place) || silentMs > SILENT_MS) return remove(note);
    return `on another machine or in another container (${owner.place}), process ${owner.pid}; if that is gone, remove ${note}, or wait: a minute after its last sign of life it counts as gone`;
  }
  if (!isAlive(owner)) return remove(note);
  return owner.pid === me.pid
    ? "by another store of this process; share that one, with share() and attach()"
    : `by process ${owner.pid}; use one file for each process`;
}

/** The same machine after a restart: its name is the same, its start is not, and its namespace is the first. */
function isRestart(then: string, now: string): boolean {
  const [thenHost, thenBoot, thenSpace] = then.split(" ");
  const [host, boot, space] = now.split(" ");
  return thenHost === host && thenSpace === space && thenBoot !== boot && thenBoot !== "" && boot !== "";
}

/** A note that was never moved to its name: that takes no time, so its process was killed meanwhile. */
function removeIfLeft(note: string, now: number): void {
  try {
    if (now - fs().statSync(note).mtimeMs > SILENT_MS) remove(note);
  } catch {
    // It was moved, or removed, meanwhile; or it stays.
  }
}

function remove(note: string): null {
  fs().rmSync(note, { force: true });
  return null;
}
