import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { endianness } from "node:os";
import { ZbudError } from "../base/index.ts";
import type { ColdPages, ProcessHost, ProcessMemory } from "./process-memory.ts";
import type { Progress } from "./progress.ts";

const STEP_MS = 100;

/**
 * Waits, and finds out which pages of these processes nobody used meanwhile: by idle page tracking where the kernel
 * has it, page by page; else by clearing the referenced bits and reading `smaps` afterwards, which says only how much
 * of each mapping was used.
 *
 * @throws {ZbudError} `EACCES` or `ENOTSUP`, if this user may do neither or the system can do neither; the message says
 *   what was tried.
 */
export async function watchPages(
  memories: readonly ProcessMemory[],
  seconds: number,
  host: ProcessHost,
  progress: Progress,
): Promise<ColdPages> {
  const idle = await IdlePages.mark(memories, `${host.sys ?? "/sys"}/kernel/mm/page_idle/bitmap`, progress);
  const cold = typeof idle === "string" ? clearReferenced(memories, host.root ?? "/proc", idle) : idle;
  await (host.wait ?? waitFor)(seconds * 1000, progress);
  return cold;
}

async function waitFor(ms: number, progress: Progress): Promise<void> {
  const begun = performance.now();
  for (let passed = 0; passed < ms; passed = performance.now() - begun) {
    progress.doing(`seeing which pages are used, ${Math.ceil((ms - passed) / 1000)} s left`);
    await progress.yieldThread(0);
    await new Promise((resolve) => setTimeout(resolve, Math.min(STEP_MS, ms - passed)));
  }
}

/** Idle page tracking: one bit for each page of the machine, in words of 64; see the kernel's idle_page_tracking. */
class IdlePages implements ColdPages {
  readonly method = "idle pages";
  readonly #fd: number;
  readonly #word = new Uint32Array(2);
  #wordIndex = -1;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** @returns why not, where it cannot be done. */
  static async mark(
    memories: readonly ProcessMemory[],
    path: string,
    progress: Progress,
  ): Promise<IdlePages | string> {
    let fd: number;
    try {
      fd = openSync(path, "r+");
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ENOENT"
        ? "this kernel has no idle page tracking (CONFIG_IDLE_PAGE_TRACKING)"
        : "idle page tracking is for root alone";
    }
    const words = new Map<number, [number, number]>();
    for (const memory of memories) {
      for (const frame of await memory.frames(progress)) {
        const index = Math.floor(frame / 64);
        const word = words.get(index) ?? [0, 0];
        word[placeOf(frame)] |= 1 << (frame & 31);
        words.set(index, word);
      }
    }
    if (words.size === 0) {
      closeSync(fd);
      return "the system does not say which page lies where (that takes CAP_SYS_ADMIN)";
    }
    try {
      for (const [index, word] of words) writeSync(fd, Uint32Array.from(word), 0, 8, index * 8);
    } catch (error) {
      closeSync(fd);
      return `pages cannot be marked idle (${(error as NodeJS.ErrnoException).code})`;
    }
    return new IdlePages(fd);
  }

  begin(): void {}

  isCold(_address: number, frame: number): boolean {
    if (frame === 0) return false;
    const index = Math.floor(frame / 64);
    if (index !== this.#wordIndex) {
      this.#wordIndex = index;
      if (readSync(this.#fd, this.#word, 0, 8, index * 8) < 8) this.#word.fill(0);
    }
    return ((this.#word[placeOf(frame)] >>> (frame & 31)) & 1) === 1;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Which half of a word of 64 bits has a page's bit, as the machine lays words out. */
function placeOf(frame: number): 0 | 1 {
  const isHigh = frame % 64 >= 32;
  return (endianness() === "LE") === isHigh ? 1 : 0;
}

function clearReferenced(memories: readonly ProcessMemory[], root: string, why: string): ColdPages {
  let cleared = 0;
  let code: string | undefined;
  for (const { pid } of memories) {
    try {
      writeFileSync(`${root}/${pid}/clear_refs`, "1");
      cleared += 1;
    } catch (error) {
      ({ code } = error as NodeJS.ErrnoException);
    }
  }
  if (cleared > 0) return new ReferencedPages(root);
  const denied = code === "EACCES" || code === "EPERM";
  throw new ZbudError(
    denied ? "EACCES" : "ENOTSUP",
    `which pages are cold cannot be found out: ${why}, and the referenced bits cannot be cleared (${code}): ` +
      `${denied ? "run with sudo, or" : "leave"}${denied ? " leave" : ""} out --cold`,
  );
}

interface Mapping {
  start: number;
  end: number;
  coldShare: number;
}

/** The referenced bits: `smaps` says of each mapping how much of it was used, and pages are taken evenly. */
class ReferencedPages implements ColdPages {
  readonly method = "referenced";
  readonly #root: string;
  #mappings: Mapping[] = [];
  #at = 0;
  #owed = 0;

  constructor(root: string) {
    this.#root = root;
  }

  begin(pid: number): void {
    this.#at = 0;
    this.#owed = 0;
    try {
      this.#mappings = mappingsOf(readFileSync(`${this.#root}/${pid}/smaps`, "latin1"));
    } catch {
      this.#mappings = [];
    }
  }

  isCold(address: number): boolean {
    while (this.#at < this.#mappings.length && address >= this.#mappings[this.#at].end) {
      this.#at += 1;
      this.#owed = 0;
    }
    const mapping = this.#mappings[this.#at];
    if (mapping === undefined || address < mapping.start) return false;
    this.#owed += mapping.coldShare;
    if (this.#owed < 1) return false;
    this.#owed -= 1;
    return true;
  }

  close(): void {}
}

const SMAPS_RANGE = /^([0-9a-f]+)-([0-9a-f]+) /;

function mappingsOf(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  let resident = 0;
  for (const line of text.split("\n")) {
    const range = SMAPS_RANGE.exec(line);
    if (range !== null) {
      mappings.push({
        start: Number.parseInt(range[1], 16),
        end: Number.parseInt(range[2], 16),
        coldShare: 0,
      });
      resident = 0;
      continue;
    }
    const last = mappings.at(-1);
    if (last === undefined) continue;
    if (line.startsWith("Rss:")) resident = kibibytes(line);
    if (line.startsWith("Referenced:")) {
      // Pages counted in halves must not leave the last one owed by rounding.
      last.coldShare = resident === 0 ? 0 : Math.max(0, 1 - kibibytes(line) / resident) + 1e-9;
    }
  }
  return mappings;
}

function kibibytes(line: string): number {
  return Number(/(\d+) kB/.exec(line)?.[1] ?? 0);
}
