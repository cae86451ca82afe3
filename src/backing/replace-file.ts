import { noteFallback, show, startOf, threadNumber, ZbudError } from "../base/index.ts";
import { placeOf } from "./file/owner.ts";
import { required } from "./system.ts";

type Files = typeof import("node:fs/promises");
type Paths = typeof import("node:path");

/** For the owner only: it holds what users store. */
const MODE = 0o600;
const PERMISSIONS = 0o777;
const LINKS_MAX = 40;
/** Of a name, so that what is put behind it never makes it longer than a file system takes. */
const STEM_MAX = 48;
/** Writers of another machine or container: nobody sees whether they live, but each write makes their file young. */
const SILENT_ELSEWHERE_MS = 3_600_000;
/** The same of writers whose number may be another's by now, on systems that do not show when a process started. */
const SILENT_HERE_MS = 86_400_000;

/** Writes bytes behind those that were written before. */
export type Write = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes a file that replaces the one of its name when it is complete: until then, and whatever happens, the old
 * one stays. Of several at once each writes a file of its own, and the last one that is complete is there in the
 * end. A path that is a link replaces what it points to, and the file keeps its mode.
 *
 * Until it is complete it lies beside, as `NAME.PID-THREAD-STARTED-PLACE-NUMBER.tmp`, which says who writes it. What
 * writers left that are gone is removed by the next one.
 *
 * @param signal - aborts it, as long as it is not complete.
 * @param mode - of the file if there was none whose mode could be kept; default: its owner's only.
 * @throws the system's error, the signal's reason, what `fill` throws; {@link ZbudError} `EINVAL` if something that is
 *   no file has the name.
 */
export async function replaceFile(
  path: string,
  signal: AbortSignal | undefined,
  fill: (write: Write) => Promise<void>,
  mode: number = MODE,
): Promise<void> {
  const fs = required<Files>("node:fs/promises", "a file");
  const paths = required<Paths>("node:path", "a file");
  signal?.throwIfAborted();
  const target = await targetOf(fs, paths, path);
  const old = await fs.stat(target).catch(absent);
  if (old !== null && !old.isFile()) {
    throw new ZbudError("EINVAL", `${show(path)} is there and is not a file; give another path`);
  }
  const folder = paths.dirname(target);
  const stem = `${paths.basename(target).slice(0, STEM_MAX).toWellFormed()}.`;
  const temporary = paths.join(folder, `${stem}${nameOfWriter()}.tmp`);
  const file = await fs.open(temporary, "wx", mode);
  try {
    try {
      // Before anything is written: what the dead left may take the room that this needs.
      await removeLeftovers(fs, paths, folder, stem, (await file.stat()).mtimeMs);
      await fill(async (bytes) => await file.writeFile(bytes));
      if (old !== null) {
        // Whose it was it can stay only where this process may give files away.
        if (old.uid !== process.getuid?.()) await file.chown(old.uid, old.gid).catch(() => undefined);
        await file.chmod(old.mode & PERMISSIONS);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    signal?.throwIfAborted();
    await fs.rename(temporary, target);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(fs, folder);
}

/** The file that a path leads to, also if it is not there yet. */
async function targetOf(fs: Files, paths: Paths, path: string): Promise<string> {
  let target = paths.resolve(path);
  for (let links = 0; links < LINKS_MAX; links++) {
    const found = await fs.realpath(target).catch(absent);
    if (found !== null) return found;
    // Not there, or a link to what is not there.
    const link = await fs.readlink(target).catch(() => null);
    if (link === null) return target;
    target = paths.resolve(paths.dirname(target), link);
  }
  throw new ZbudError("EINVAL", `${show(path)} is a link that leads to no file`);
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}

/** Distinguishes the files of one thread. */
let count = 0;

function nameOfWriter(): string {
  const thread = threadNumber();
  const started = thread === 0 ? "0" : startOf(`${process.pid}/task/${thread}`);
  const [random] = globalThis.crypto.getRandomValues(new Uint32Array(1));
  return `${process.pid}-${thread}-${started}-${place()}-${random.toString(36)}${(count++).toString(36)}`;
}

/** Where numbers of processes mean what they mean here, as 32 bits. */
function place(): string {
  let hash = 0x811c_9dc5;
  for (const character of placeOf()) hash = Math.imul(hash ^ character.charCodeAt(0), 0x0100_0193);
  return (hash >>> 0).toString(36);
}

async function removeLeftovers(
  fs: Files,
  paths: Paths,
  folder: string,
  stem: string,
  now: number,
): Promise<void> {
  // A folder that cannot be read, or a file of somebody else: it stays.
  const names = await fs.readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(stem)) continue;
    const writer = /^(\d+)-(\d+)-(\w+)-(\w+)-\w+\.tmp$/.exec(name.slice(stem.length));
    if (writer === null) continue;
    const file = paths.join(folder, name);
    const stats = await fs.stat(file).catch(() => null);
    if (stats !== null && isLeft(writer, now - stats.mtimeMs)) await fs.rm(file).catch(() => undefined);
  }
}

/** Whether the writer of a temporary file is certainly gone. @param silentMs - since it wrote last. */
function isLeft([, pid, thread, started, where]: RegExpExecArray, silentMs: number): boolean {
  if (where !== place()) return silentMs > SILENT_ELSEWHERE_MS;
  if (/^[1-9]\d*$/.test(started)) {
    const now = startOf(`${pid}/task/${thread}`);
    // A number that was given to another thread since has another start.
    if (now !== "gone") return now !== "unknown" && now !== started;
    // Not there, or not shown: of other users' processes some systems show nothing.
    if (startOf(`${pid}/task/${pid}`) !== "gone") return true;
  }
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  return silentMs > SILENT_HERE_MS;
}

/** The new name survives the system's end too, where a folder can be flushed. */
async function syncFolder(fs: Files, folder: string): Promise<void> {
  try {
    const opened = await fs.open(folder, "r");
    try {
      await opened.sync();
    } finally {
      await opened.close();
    }
  } catch {
    // Windows has no such thing, and some network file systems refuse it: the file itself is flushed.
    noteFallback("folder-flush");
  }
}
