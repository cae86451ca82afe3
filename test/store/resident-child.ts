/** Fills a store or a cache, and says at some moments how much larger the process is and what the counters say. */
import { readFileSync } from "node:fs";
import { CompressedCache } from "../../src/cache/index.ts";
import { PageStore } from "../../src/store/index.ts";

const [kind, shared, bytes] = [process.argv[2], process.argv[3] === "shared", Number(process.argv[4])];
const page = Buffer.alloc(4096);

/** Anonymous memory that is resident. */
function resident(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const line = /^Anonymous: +(\d+) kB/m.exec(readFileSync("/proc/self/smaps_rollup", "latin1"));
  return Number(line?.[1]) * 1024;
}

function fillPage(index: number): Buffer {
  const words = index % 3 === 0 ? 1024 : 400;
  for (let i = 0; i < words; i++) page.writeUInt32LE(Math.imul(index * 1024 + i, 2654435761) >>> 0, 4 * i);
  return page;
}

interface Subject {
  put(index: number): void;
  used(): number;
  evictions(): number;
}

function make(maxBytes: number): Subject {
  if (kind === "store") {
    const store = new PageStore({ maxBytes, whenFull: "drop", shared });
    return {
      put: (index) => store.store(index, fillPage(index)),
      used: () => store.stats().memUsedTotal,
      evictions: () => store.stats().evictions,
    };
  }
  const cache = new CompressedCache<Buffer>({ maxBytes, dictionary: "none", shared });
  return {
    put: (index) => cache.set(`key ${index}`, fillPage(index)),
    used: () => cache.stats().bytesUsed,
    evictions: () => cache.stats().evictions,
  };
}

const warm = make(bytes);
for (let i = 0; i < 20_000; i++) warm.put(i);
const before = resident();
const subject = make(bytes);
const moments: { moment: string; grown: number; used: number }[] = [];
const note = (moment: string): void => {
  moments.push({ moment, grown: resident() - before, used: subject.used() });
};
note("empty");
let index = 0;
const putSome = (): void => {
  for (let i = 0; i < 50; i++) subject.put(index++);
};
while (subject.used() < bytes / 2) putSome();
note("half full");
while (subject.evictions() === 0) putSome();
note("full");
for (const end = 4 * index; index < end; ) putSome();
note("churned");
process.stdout.write(JSON.stringify({ moments, warm: warm.used() }));
