/**
 * The memory of an emulated machine: 64 MiB of addresses in pages of 4 KiB, of which an emulator touches one at a
 * time, within 2 MiB of real memory; what is cold lies in a file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileBacking } from "zbud/backing";
import { PageStore } from "zbud/store";

const PAGE_BYTES = 4096;
const MEMORY_BYTES = 2 ** 26;
/** A page that does not compress takes 4288 bytes in the file. With this, it is never full. */
const FILE_BYTES = Math.ceil(1.05 * MEMORY_BYTES);

/** A machine's memory, with the few pages in plain bytes that the processor is at. */
class PagedMemory {
  readonly #store: PageStore;
  readonly #frames = new Map<number, { page: Uint8Array; isDirty: boolean }>();

  constructor(store: PageStore) {
    this.#store = store;
  }

  read(address: number): number {
    return this.#frame(address >>> 12).page[address & 4095];
  }

  write(address: number, byte: number): void {
    const frame = this.#frame(address >>> 12);
    frame.page[address & 4095] = byte;
    frame.isDirty = true;
  }

  /** The page in plain bytes. Of 16 such frames, the one that came first makes way for another. */
  #frame(number: number): { page: Uint8Array; isDirty: boolean } {
    const known = this.#frames.get(number);
    if (known !== undefined) return known;
    if (this.#frames.size === 16) {
      const [[oldest, { page, isDirty }]] = this.#frames;
      if (isDirty && this.#store.store(oldest, page) !== "stored")
        throw new Error(`no room for page ${oldest}`);
      this.#frames.delete(oldest);
    }
    const page = new Uint8Array(PAGE_BYTES);
    const found = this.#store.loadSync(number, page); // waits for the file where it must
    if (found === "missing") page.fill(0);
    const frame = { page, isDirty: false };
    this.#frames.set(number, frame);
    return frame;
  }
}

const folder = mkdtempSync(join(tmpdir(), "paged-memory-"));
const backing = await FileBacking.open(join(folder, "swap"), { maxBytes: FILE_BYTES });
const store = new PageStore({ maxBytes: "2MiB", backing });
const memory = new PagedMemory(store);

// A program that fills a table all over the memory and reads it again.
for (let i = 0; i < 2 ** 21; i++) memory.write(i * 32, i % 7 === 0 ? i & 255 : 1);
let wrong = 0;
for (let i = 0; i < 2 ** 21; i += 97) if (memory.read(i * 32) !== (i % 7 === 0 ? i & 255 : 1)) wrong++;

const { storedPages, memUsedTotal, memLimit, writtenBackPages } = store.stats();
console.log(
  `${wrong} wrong bytes; ${storedPages} pages held in memory, ${writtenBackPages} written to the file`,
);
console.log(`${(memUsedTotal / 2 ** 20).toFixed(2)} of at most ${memLimit / 2 ** 20} MiB in use`);
await store.close();
await backing.close();
rmSync(folder, { recursive: true });
