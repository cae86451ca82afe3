import { show, startOf, threadNumber, ZbudError } from "../../base/index.ts";
import { faultOf, required } from "../system.ts";

/**
 * Which process has a file: each puts a note of its own, then looks whether there is another's. Of two that come at
 * once at least the later sees the earlier; none that lives is overlooked. Names are never used twice, so one that
 * was left by a process that died can be removed by anybody.
 *
 * A note lies in two places. Beside the file, at the end of all links to it: `NAME.owner-…`, for whoever shares the
 * folder, other machines and containers too. And in a folder of the user's temporary files, named by device and
 * inode: there it is found under whatever other name the file is opened, a hard link or one that it got since.
 *
 * Its content, JSON: the process's number, when it started in clock ticks, the machine and namespace in which that
 * number means something, and which file it is. From elsewhere (another container with this folder) nobody can see
 * whether a process lives; there the note's age tells, which its owner makes young every 10 s. So it does where the
 * note says nothing.
 *
 * Of processes that share a file each thread has a note, which names their group: they pass over each other's.
 */
interface Owner {
  readonly pid: number;
  readonly started: string;
  readonly place: string;
  readonly group?: FileGroup;
  /** Of a group: the system's number of the thread, or 0, and when that started. */
  readonly thread?: number;
  readonly threadStarted?: string;
  /** The file, at the end of all links. Notes of earlier versions have neither. */
  readonly path?: string;
  readonly inode?: number;
}

/** Which file it is, whatever it is called. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** The processes that share a file. */
export interface FileGroup {
  /** No two have the same. */
  readonly id: string;
  /** The path of their memory. */
  readonly memory: string;
}

/** That nobody else has a file, until `release`. */
export interface OwnerNotes {
  release(): void;
}

type Fs = typeof import("node:fs");

const fs = (): Fs => required<typeof import("node:fs")>("node:fs", "a file");

const SIGN_OF_LIFE_MS = 10_000;
/** An owner that cannot be seen, and gave no sign of life for so long, counts as gone. */
const SILENT_MS = 60_000;

const COUNTS_AS_GONE = "a minute after its last sign of life it counts as gone";

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

/** Where no start is known, another process may have the number by now: then its owner's signs of life count too. */
function isAlive(owner: Owner, silentMs: number): boolean {
  const { thread = 0, threadStarted = "" } = owner;
  const isThread = thread > 0 && threadStarted !== "";
  const task = isThread ? `${owner.pid}/task/${thread}` : String(owner.pid);
  const noted = isThread ? threadStarted : owner.started;
  const started = noted === "" ? "unknown" : startOf(task);
  if (started !== "unknown") return started === noted;
  if (silentMs > SILENT_MS) return false;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Where notes lie, and how their names begin. */
interface Board {
  readonly folder: string;
  readonly stem: string;
}

/**
 * Takes a file for this process, or for this thread of a group that shares it.
 *
 * @param path - of the file, which is there.
 * @throws {ZbudError} `EBUSY` if another process, another store of this one, or another group has it; `EACCES`, `EIO`,
 *   `ENOSPC` if the folder does not take a note.
 */
export function takeOwnership(
  path: string,
  { device, inode }: FileIdentity,
  group: FileGroup | null,
): OwnerNotes {
  const { dirname, basename, join } = required<typeof import("node:path")>("node:path", "a file");
  const { tmpdir } = required<typeof import("node:os")>("node:os", "a file");
  const notes: string[] = [];
  const sign = setInterval(() => {
    const now = new Date();
    // Nothing to be done about a failure: the next sign may succeed.
    for (const note of notes) fs().utimes(note, now, now, () => undefined);
  }, SIGN_OF_LIFE_MS);
  sign.unref();
  const release = (): void => {
    clearInterval(sign);
    for (const note of notes) fs().rmSync(note, { force: true });
  };
  try {
    const full = fs().realpathSync(path);
    const me: Owner = {
      pid: process.pid,
      started: startOrNothing("self"),
      place: placeOf(),
      path: full,
      inode,
      ...(group === null ? {} : { group, ...thisThread() }),
    };
    const boards: Board[] = [{ folder: dirname(full), stem: `${basename(full)}.owner-` }];
    notes.push(putNote(boards[0], me));
    const byIdentity: Board = {
      folder: join(tmpdir(), `zbud-${process.getuid?.() ?? "user"}`),
      stem: `${device}-${inode}.owner-`,
    };
    try {
      fs().mkdirSync(byIdentity.folder, { recursive: true, mode: 0o700 });
      notes.push(putNote(byIdentity, me));
      boards.push(byIdentity);
    } catch (cause) {
      const names = fs().statSync(full).nlink;
      if (names > 1) {
        throw new ZbudError(
          "EBUSY",
          `it has ${names} names (hard links), and it cannot be found out who uses it by another name, since nothing can be written to ${byIdentity.folder}; leave it one name, or set TMPDIR to a folder that can be written`,
          { cause },
        );
      }
    }
    for (const [at, { folder, stem }] of boards.entries()) {
      // As the file system's clock has it.
      const now = fs().statSync(notes[at]).mtimeMs;
      for (const name of fs().readdirSync(folder)) {
        const note = join(folder, name);
        if (!name.startsWith(stem) || note === notes[at]) continue;
        const why = name.endsWith("~") ? cleanUp(note, now) : whyTaken(note, me, now);
        if (why !== null) throw new ZbudError("EBUSY", `the file ${show(path)} is in use ${why}`);
      }
    }
  } catch (error) {
    release();
    throw faultOf(`it cannot be found out who uses ${show(path)}`, error);
  }
  return { release };
}

function startOrNothing(task: string): string {
  const started = startOf(task);
  return started === "gone" || started === "unknown" ? "" : started;
}

function thisThread(): Pick<Owner, "thread" | "threadStarted"> {
  const thread = threadNumber();
  return { thread, threadStarted: thread === 0 ? "" : startOrNothing(`self/task/${thread}`) };
}

/** Writes a note. Its path. */
function putNote({ folder, stem }: Board, me: Owner): string {
  const { join } = required<typeof import("node:path")>("node:path", "a file");
  // Threads of one process may come in the same moment.
  const [draw] = globalThis.crypto.getRandomValues(new Uint32Array(1));
  const note = join(folder, `${stem}${me.pid}-${me.started}-${Date.now().toString(36)}-${draw.toString(36)}`);
  try {
    // Beside, then moved: whoever reads it finds all of it.
    fs().writeFileSync(`${note}~`, JSON.stringify(me), { mode: 0o600, flag: "wx" });
    fs().renameSync(`${note}~`, note);
  } catch (error) {
    fs().rmSync(`${note}~`, { force: true });
    throw faultOf(`the note of who uses ${show(me.path)} cannot be put into ${folder}`, error);
  }
  return note;
}

/** What a process left that died while it wrote its note. */
function cleanUp(unfinished: string, now: number): null {
  const stat = fs().statSync(unfinished, { throwIfNoEntry: false });
  return stat !== undefined && now - stat.mtimeMs > SILENT_MS ? remove(unfinished) : null;
}

/** Why a note of another owner counts, or null if it does not: then it is removed, unless it is of another file. */
function whyTaken(note: string, me: Owner, now: number): string | null {
  let owner: unknown;
  let silentMs: number;
  try {
    silentMs = now - fs().statSync(note).mtimeMs;
    owner = JSON.parse(fs().readFileSync(note, "utf8"));
  } catch (error) {
    // Released meanwhile.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    silentMs ??= 0;
  }
  if (!isOwner(owner)) {
    if (silentMs > SILENT_MS) return remove(note);
    return `as ${note} says, which cannot be read; remove it if no process uses the file, or wait: ${COUNTS_AS_GONE}`;
  }
  // A file that had this name and was moved away, or removed, with its owner at it.
  if (owner.inode !== undefined && owner.inode !== me.inode) return null;
  const isOurs = me.group !== undefined && owner.group?.id === me.group.id;
  if (owner.place !== me.place) {
    // A machine that was started anew has no process of before. Another machine or container may have.
    if (isRestart(owner.place, me.place) || silentMs > SILENT_MS) return remove(note);
    if (isOurs) return null;
    return `on another machine or in another container (${owner.place}), process ${owner.pid}; if that is gone, remove ${note}, or wait: ${COUNTS_AS_GONE}`;
  }
  if (!isAlive(owner, silentMs)) return remove(note);
  return isOurs ? null : usedBy(owner, me);
}

function usedBy(owner: Owner, me: Owner): string {
  const who = owner.pid === me.pid ? "another store of this process" : `process ${owner.pid}`;
  const as = owner.path === undefined || owner.path === me.path ? "" : `, as ${show(owner.path)}`;
  const { group } = owner;
  if (group === undefined) {
    if (me.group !== undefined)
      return `by ${who}${as}, which does not share it; give shared in all processes`;
    return owner.pid === me.pid
      ? `by ${who}${as}; share that one, with share() and attach()`
      : `by ${who}${as}; use one file for each process, or give the same name as shared in all of them`;
  }
  return group.memory === me.group?.memory
    ? `by ${who}${as}, which shares it by a ${show(group.memory)} that was removed, or would have to be replaced; close the file there first`
    : `by ${who}${as}, which shares it by ${show(group.memory)}; give that as shared here too`;
}

function isOwner(value: unknown): value is Owner {
  if (typeof value !== "object" || value === null) return false;
  const { pid, started, place } = value as Partial<Record<keyof Owner, unknown>>;
  return Number.isSafeInteger(pid) && typeof started === "string" && typeof place === "string";
}

/** The same machine after a restart: its name is the same, its start is not, and its namespace is the first. */
function isRestart(then: string, now: string): boolean {
  const [thenHost, thenBoot, thenSpace] = then.split(" ");
  const [host, boot, space] = now.split(" ");
  return thenHost === host && thenSpace === space && thenBoot !== boot && thenBoot !== "" && boot !== "";
}

function remove(note: string): null {
  fs().rmSync(note, { force: true });
  return null;
}
