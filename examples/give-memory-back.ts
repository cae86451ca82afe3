// What the system holds for a pool: as it is made, filled, emptied and trimmed. Linux.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Handle, ZbudPool } from "zbud";

const MIB = 2 ** 20;
const PAGES = 65_536; // 256 MiB of 4 KiB pages in use, of 8 GiB

async function residentMiB(): Promise<number> {
  globalThis.gc?.();
  await setTimeout(200); // buffers are freed beside the program
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Math.round(Number(kib) / 1024);
}

async function measure(shared: boolean): Promise<void> {
  const before = await residentMiB();
  const say = async (what: string): Promise<void> => {
    const mib = (await residentMiB()) - before;
    console.log(`${what.padEnd(46)} ${String(mib).padStart(4)} MiB`);
  };
  console.log(shared ? "shared: true" : "shared: false");

  const pool = new ZbudPool({ maxPages: 2 ** 21, shared });
  await say("a pool for 8 GiB, empty");
  const handles = new Float64Array(PAGES);
  for (let i = 0; i < PAGES; i++) {
    const handle = pool.alloc(3000); // one a page
    if (typeof handle === "string") throw new Error(handle);
    handles[i] = handle;
    pool.map(handle).fill(i);
  }
  await say("65,536 pages with one object each");
  for (let i = PAGES / 4; i < PAGES; i++) pool.free(handles[i] as Handle);
  await say("three quarters of the objects freed");
  const bytes = pool.trim();
  await say(`trimmed: ${Math.round(bytes / MIB)} MiB given back`);
  pool.close();
  await say("closed");
}

if (process.platform !== "linux") {
  console.log("resident sizes are read from /proc, which this system has not");
} else if (process.argv[2] === undefined) {
  // A process of its own for each, with a collection before each figure.
  for (const kind of ["private", "shared"]) {
    const self = fileURLToPath(import.meta.url);
    const arguments_ = [...process.execArgv, "--expose-gc", self, kind];
    process.stdout.write(execFileSync(process.execPath, arguments_, { encoding: "utf8" }));
  }
} else {
  await measure(process.argv[2] === "shared");
}
