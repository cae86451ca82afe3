import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { endianness } from "node:os";
import { ZbudError } from "../base/index.ts";
import type { ByteSource } from "./files.ts";
import { processError } from "./process-errors.ts";
import type { Progress } from "./progress.ts";
import type { ColdSummary, ProcessSummary } from "./types.ts";

/** Where the process is looked up; tests give their own. */
export interface ProcessHost {
  /** The folder of the process file system; default `/proc`. */
  root?: string;
  /** Default `process.platform`. */
  platform?: string;
  /** The folder of the system's settings; default `/sys`. */
  sys?: string;
  /** How to wait while pages are watched. */
  wait?: (ms: number, progress: Progress) => Promise<void>;
}

/** Says which pages nobody used while it was waited. */
export interface ColdPages {
  readonly method: ColdSummary["method"];
  /** To be called before the pages of a process are asked about. */
  begin(pid: number): void;
  /** @param frame - the number of the page in the machine's memory; 0 if the system does not say. */
  isCold(address: number, frame: number): boolean;
  close(): void;
}

const PAGEMAP_ENTRIES = 1 << 16;
const SCAN_BYTES = 1 << 20;

/**
 * Opens the memory of a live process on Linux: its anonymous, private, writable mappings (heap and stack
 * included). Which of their pages lie in memory now, {@link ProcessMemory.locate} finds: pages that were never touched
 * hold no data, and pages in swap would be brought back by reading them; neither is read. Resident pages are laid end
 * to end in the order of their addresses: that is the input.
 *
 * @throws {ZbudError} `ENOTSUP` on other systems, `ENOENT` if there is no such process, `EACCES` if the system does not
 *   let this user read it; the message says what would.
 */
export function openProcess(pid: number, host: ProcessHost = {}): ProcessMemory {
  const platform = host.platform ?? process.platform;
  if (platform !== "linux") {
    throw new ZbudError(
      "ENOTSUP",
      `reading the memory of a process needs Linux, and this is ${platform}: name files, or pipe a dump in`,
    );
  }
  const root = host.root ?? "/proc";
  const mappings = listMappings(pid, root);
  try {
    return new ProcessMemory(pid, root, openSync(`${root}/${pid}/mem`, "r"), mappings);
  } catch (error) {
    throw processError(pid, root, error);
  }
}

interface Mapping {
  start: number;
  end: number;
}

const MAPS_LINE = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+) *(.*)$/;

function listMappings(pid: number, root: string): Mapping[] {
  let text: string;
  try {
    text = readFileSync(`${root}/${pid}/maps`, "latin1");
  } catch (error) {
    throw processError(pid, root, error);
  }
  const mappings: Mapping[] = [];
  for (const line of text.split("\n")) {
    const [, start, end, permissions, inode, name] = MAPS_LINE.exec(line) ?? [];
    if (start === undefined || !/^rw.p$/.test(permissions) || inode !== "0") continue;
    // [vvar] and its kind are the kernel's, mapped into every process.
    if (name !== "" && !/^\[(heap|stack|anon)/.test(name)) continue;
    mappings.push({ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) });
  }
  return mappings;
}

/** The resident pages of one process, as runs of consecutive addresses. */
export class ProcessMemory implements ByteSource {
  readonly pid: number;
  readonly #root: string;
  readonly #mappings: Mapping[];
  readonly #pageBytes: number;
  #fd: number;
  /** Address of each run, and where it begins in the input; both ascending. */
  readonly #addresses: number[] = [];
  readonly #positions: number[] = [];
  #bytes = 0;
  #swappedBytes = 0;
  #residency: "pagemap" | "scan" = "pagemap";
  #ended = false;
  /** Bytes in memory, cold or not, and of those the ones that another process of the group has too. */
  #residentBytes = 0;
  #sharedBytes = 0;

  constructor(pid: number, root: string, fd: number, mappings: Mapping[]) {
    this.pid = pid;
    this.#root = root;
    this.#fd = fd;
    this.#mappings = mappings;
    this.#pageBytes = systemPageBytes();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes in memory, whether they are read or not. */
  get residentBytes(): number {
    return this.#residentBytes;
  }

  /** Bytes left out because an earlier process of the group has the same pages. */
  get sharedBytes(): number {
    return this.#sharedBytes;
  }

  /** Whether the process was found to have ended while it was read. */
  get ended(): boolean {
    return this.#ended;
  }

  get summary(): ProcessSummary {
    return {
      pid: this.pid,
      name: readText(`${this.#root}/${this.pid}/comm`).trim(),
      mappings: this.#mappings.length,
      mappedBytes: this.#mappings.reduce((sum, { start, end }) => sum + end - start, 0),
      residentBytes: this.#bytes,
      swappedBytes: this.#swappedBytes,
      residency: this.#residency,
    };
  }

  /**
   * Finds the resident pages.
   *
   * @param cold - which of them to leave out, or null for none.
   * @param seen - pages that other processes have too, by frame: each is taken once.
   */
  async locate(
    progress: Progress,
    cold: ColdPages | null = null,
    seen: Set<number> | null = null,
  ): Promise<void> {
    try {
      await this.#eachEntry(progress, (address, high, low) => this.#take(address, high, low, cold, seen));
    } catch (error) {
      if (!isErrno(error)) throw error;
      // Some kernels and sandboxes have no pagemap, or keep it from us.
      this.#forget();
      this.#residency = "scan";
      for (const mapping of this.#mappings) await this.#lookForZeros(mapping, cold, progress);
    }
  }

  /** Numbers of the pages in the machine's memory; none where the system does not tell them. */
  async frames(progress: Progress): Promise<number[]> {
    const frames: number[] = [];
    try {
      await this.#eachEntry(progress, (_address, high, low) => {
        const frame = high >>> 31 === 1 ? frameOf(high, low) : 0;
        if (frame !== 0) frames.push(frame);
      });
    } catch (error) {
      if (!isErrno(error)) throw error;
    }
    return frames;
  }

  /** Pages that went away since they were listed are left out, and what follows them moves up. */
  read(into: Uint8Array, at: number, length: number, position: number): number {
    let run = this.#runAt(position);
    let got = 0;
    for (let passed = 0; passed < length && run < this.#addresses.length && !this.#ended; run++) {
      const inRun = position + passed - this.#positions[run];
      const runEnd = run + 1 < this.#positions.length ? this.#positions[run + 1] : this.#bytes;
      const wanted = Math.min(length - passed, runEnd - this.#positions[run] - inRun);
      got += this.#readLeft(into, at + got, wanted, this.#addresses[run] + inRun);
      passed += wanted;
    }
    return got;
  }

  /** Reads what is left of consecutive addresses: where one page is gone, it goes on at the next. */
  #readLeft(into: Uint8Array, at: number, length: number, address: number): number {
    let got = 0;
    for (let passed = 0; passed < length && !this.#ended; ) {
      const n = this.#readAddress(into, at + got, length - passed, address + passed);
      got += n;
      passed += n;
      if (passed < length) passed += this.#pageBytes - ((address + passed) % this.#pageBytes);
    }
    return got;
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #readAddress(into: Uint8Array, at: number, length: number, address: number): number {
    let got = 0;
    try {
      if (this.#fd < 0) this.#fd = openSync(`${this.#root}/${this.pid}/mem`, "r");
      while (got < length) {
        const n = readSync(this.#fd, into, at + got, length - got, address + got);
        if (n === 0) {
          // Nothing, and no error: all memory is gone, be the process listed or not.
          this.#ended = true;
          return got;
        }
        got += n;
      }
    } catch (error) {
      if (!isErrno(error)) throw error;
      // A mapping that went away fails too; only the whole process going away ends the reading.
      this.#ended = !this.#alive();
    }
    return got;
  }

  #alive(): boolean {
    const stat = readText(`${this.#root}/${this.pid}/stat`);
    const state = stat.slice(stat.lastIndexOf(")") + 2)[0];
    return state !== undefined && state !== "Z" && state !== "X";
  }

  /** The run that holds a place of the input. */
  #runAt(position: number): number {
    let low = 0;
    let high = this.#positions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#positions[middle] <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #add(address: number, bytes: number): void {
    const last = this.#addresses.length - 1;
    const lastEnd = last < 0 ? -1 : this.#addresses[last] + this.#bytes - this.#positions[last];
    if (lastEnd !== address) {
      this.#addresses.push(address);
      this.#positions.push(this.#bytes);
    }
    this.#bytes += bytes;
  }

  #forget(): void {
    this.#addresses.length = 0;
    this.#positions.length = 0;
    this.#bytes = 0;
    this.#swappedBytes = 0;
    this.#residentBytes = 0;
    this.#sharedBytes = 0;
  }

  /**
   * One 64-bit entry a page: bit 63 says that it is in memory, bit 62 that it is in swap, bit 56 that no other process
   * has it; the low 55 bits where it lies, or 0 for those who may not know.
   */
  async #eachEntry(
    progress: Progress,
    visit: (address: number, high: number, low: number) => void,
  ): Promise<void> {
    const pagemap = openSync(`${this.#root}/${this.pid}/pagemap`, "r");
    try {
      const entries = new Uint32Array(2 * PAGEMAP_ENTRIES);
      const high = endianness() === "LE" ? 1 : 0;
      const page = this.#pageBytes;
      for (const { start, end } of this.#mappings) {
        for (let address = start; address < end; ) {
          const wanted = Math.min(PAGEMAP_ENTRIES, (end - address) / page);
          const got = readSync(pagemap, entries, 0, 8 * wanted, (address / page) * 8);
          if (got < 8) break;
          for (let i = 0; i < got >> 3; i++, address += page) {
            visit(address, entries[2 * i + high], entries[2 * i + 1 - high]);
          }
          if (progress.shouldYield) await progress.yieldThread(0);
        }
      }
    } finally {
      closeSync(pagemap);
    }
  }

  #take(address: number, high: number, low: number, cold: ColdPages | null, seen: Set<number> | null): void {
    const page = this.#pageBytes;
    if (high >>> 31 === 0) {
      if ((high & 0x4000_0000) !== 0) this.#swappedBytes += page;
      return;
    }
    const frame = frameOf(high, low);
    if (seen !== null && frame !== 0 && (high & 0x0100_0000) === 0) {
      if (seen.has(frame)) {
        this.#sharedBytes += page;
        return;
      }
      seen.add(frame);
    }
    this.#residentBytes += page;
    if (cold === null || cold.isCold(address, frame)) this.#add(address, page);
  }

  /** Without the kernel's word: a page that holds only zeros counts as never touched. */
  async #lookForZeros({ start, end }: Mapping, cold: ColdPages | null, progress: Progress): Promise<void> {
    const page = this.#pageBytes;
    const buffer = Buffer.alloc(SCAN_BYTES);
    const zeros = Buffer.alloc(page);
    for (let address = start; address < end; ) {
      const wanted = Math.min(SCAN_BYTES, end - address);
      const got = this.#readAddress(buffer, 0, wanted, address);
      const whole = got - (got % page);
      for (let at = 0; at < whole; at += page) {
        if (zeros.compare(buffer, at, at + page) === 0) continue;
        this.#residentBytes += page;
        if (cold === null || cold.isCold(address + at, 0)) this.#add(address + at, page);
      }
      if (this.#ended) return;
      // A page that cannot be read is passed over.
      address += got < wanted ? whole + page : wanted;
      if (progress.shouldYield) await progress.yieldThread(0);
    }
  }
}

/** The low 55 bits of an entry. */
function frameOf(high: number, low: number): number {
  return (high & 0x007f_ffff) * 2 ** 32 + low;
}

function isErrno(error: unknown): boolean {
  return error instanceof Error && "errno" in error;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** From the auxiliary vector that the kernel gave this process: pairs of words, key 6 is the page size. */
function systemPageBytes(): number {
  try {
    const vector = new BigUint64Array(new Uint8Array(readFileSync("/proc/self/auxv")).buffer);
    for (let i = 0; i + 1 < vector.length; i += 2) if (vector[i] === 6n) return Number(vector[i + 1]);
  } catch {
    // The usual size, below.
  }
  return 4096;
}
