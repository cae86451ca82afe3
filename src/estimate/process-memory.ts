import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { endianness } from "node:os";
import { ZbudError } from "../base/index.ts";
import type { ByteSource } from "./files.ts";
import { processError } from "./process-errors.ts";
import type { Progress } from "./progress.ts";
import type { ProcessSummary } from "./types.ts";

/** Where the process is looked up; tests give their own. */
export interface ProcessHost {
  /** The folder of the process file system; default `/proc`. */
  root?: string;
  /** Default `process.platform`. */
  platform?: string;
}

const PAGEMAP_ENTRIES = 1 << 16;
const SCAN_BYTES = 1 << 20;

/**
 * Lists the memory of a live process on Linux: its anonymous, private, writable mappings (heap and stack
 * included), and of those the pages that lie in memory now. Pages that were never touched hold no data, and
 * pages in swap would be brought back by reading them; neither is read. Resident pages are laid end to end in
 * the order of their addresses: that is the input.
 *
 * @throws {ZbudError} `ENOTSUP` on other systems, `ENOENT` if there is no such process or it has no memory,
 *   `EACCES` if the system does not let this user read it; the message says what would.
 */
export async function openProcess(
  pid: number,
  progress: Progress,
  host: ProcessHost = {},
): Promise<ProcessMemory> {
  const platform = host.platform ?? process.platform;
  if (platform !== "linux") {
    throw new ZbudError(
      "ENOTSUP",
      `reading the memory of a process needs Linux, and this is ${platform}: name files, or pipe a dump in`,
    );
  }
  const root = host.root ?? "/proc";
  const base = `${root}/${pid}`;
  const mappings = listMappings(pid, root);
  let fd: number;
  try {
    fd = openSync(`${base}/mem`, "r");
  } catch (error) {
    throw processError(pid, root, error);
  }
  const memory = new ProcessMemory(pid, root, fd, mappings);
  try {
    await memory.locate(progress);
  } catch (error) {
    memory.close();
    throw error;
  }
  if (memory.bytes === 0) {
    memory.close();
    throw new ZbudError(
      "ENOENT",
      `process ${pid} has no memory of its own to read: it has ended, or is part of the system`,
    );
  }
  return memory;
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
  readonly #pid: number;
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

  constructor(pid: number, root: string, fd: number, mappings: Mapping[]) {
    this.#pid = pid;
    this.#root = root;
    this.#fd = fd;
    this.#mappings = mappings;
    this.#pageBytes = systemPageBytes();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the process was found to have ended while it was read. */
  get ended(): boolean {
    return this.#ended;
  }

  get summary(): ProcessSummary {
    return {
      pid: this.#pid,
      name: readText(`${this.#root}/${this.#pid}/comm`).trim(),
      mappings: this.#mappings.length,
      mappedBytes: this.#mappings.reduce((sum, { start, end }) => sum + end - start, 0),
      residentBytes: this.#bytes,
      swappedBytes: this.#swappedBytes,
      residency: this.#residency,
    };
  }

  /** Finds the resident pages. */
  async locate(progress: Progress): Promise<void> {
    let pagemap = -1;
    try {
      pagemap = openSync(`${this.#root}/${this.#pid}/pagemap`, "r");
      for (const mapping of this.#mappings) await this.#askKernel(pagemap, mapping, progress);
    } catch (error) {
      if (!isErrno(error)) throw error;
      // Some kernels and sandboxes have no pagemap, or keep it from us.
      this.#forget();
      this.#residency = "scan";
      for (const mapping of this.#mappings) await this.#lookForZeros(mapping, progress);
    } finally {
      if (pagemap >= 0) closeSync(pagemap);
    }
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
    const stat = readText(`${this.#root}/${this.#pid}/stat`);
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
  }

  /** One 64-bit entry a page: bit 63 says that it is in memory, bit 62 that it is in swap. */
  async #askKernel(pagemap: number, { start, end }: Mapping, progress: Progress): Promise<void> {
    const entries = new Uint32Array(2 * PAGEMAP_ENTRIES);
    const high = endianness() === "LE" ? 1 : 0;
    const page = this.#pageBytes;
    for (let address = start; address < end; ) {
      const wanted = Math.min(PAGEMAP_ENTRIES, (end - address) / page);
      const got = readSync(pagemap, entries, 0, 8 * wanted, (address / page) * 8);
      if (got < 8) return;
      for (let i = 0; i < got >> 3; i++, address += page) {
        const bits = entries[2 * i + high];
        if (bits >>> 31 === 1) this.#add(address, page);
        else if ((bits & 0x4000_0000) !== 0) this.#swappedBytes += page;
      }
      if (progress.shouldYield) await progress.yieldThread(0);
    }
  }

  /** Without the kernel's word: a page that holds only zeros counts as never touched. */
  async #lookForZeros({ start, end }: Mapping, progress: Progress): Promise<void> {
    const page = this.#pageBytes;
    const buffer = Buffer.alloc(SCAN_BYTES);
    const zeros = Buffer.alloc(page);
    for (let address = start; address < end; ) {
      const wanted = Math.min(SCAN_BYTES, end - address);
      const got = this.#readAddress(buffer, 0, wanted, address);
      const whole = got - (got % page);
      for (let at = 0; at < whole; at += page) {
        if (zeros.compare(buffer, at, at + page) !== 0) this.#add(address + at, page);
      }
      if (this.#ended) return;
      // A page that cannot be read is passed over.
      address += got < wanted ? whole + page : wanted;
      if (progress.shouldYield) await progress.yieldThread(0);
    }
  }
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
