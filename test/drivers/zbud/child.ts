/**
 * Measurements that need a process of their own: resident memory and heap. Each prints one line of JSON.
 * `node --expose-gc child.ts NAME` runs one by hand.
 */

import { readFileSync } from "node:fs";
import type { Handle } from "../../../src/base/index.ts";
import { Prng } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import type { Pool } from "../../../src/pool/index.ts";

const MIB = 2 ** 20;

/** A figure of this process in bytes, as the system counts it: resident now, or the most ever. */
function rssBytes(field: "VmRSS" | "VmHWM" = "VmRSS"): number {
  if (process.platform !== "linux") return process.memoryUsage.rss();
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8"));
  return found === null ? process.memoryUsage.rss() : Number(found[1]) * 1024;
}

function collect(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

function mustAlloc(pool: ZbudPool, size: number): Handle {
  const handle = pool.alloc(size);
  if (typeof handle === "string") throw new Error(`alloc(${size}) gave ${handle}`);
  return handle;
}

/** What an empty pool for 8 GiB costs, and then one object in it. */
function empty(shared: boolean): Record<string, number> {
  const warm = new ZbudPool({ maxPages: 16, shared });
  mustAlloc(warm, 100);
  collect();
  const before = rssBytes();
  const pool = new ZbudPool({ maxPages: 2 ** 21, shared });
  const emptyBytes = rssBytes() - before;
  pool.map(mustAlloc(pool, 3968)).fill(1);
  const oneObjectBytes = rssBytes() - before;
  verify(pool);
  return { emptyBytes, oneObjectBytes };
}

/** Resident memory of a filled pool, after half of it is freed and trimmed, and after all of it is. */
function trim(shared: boolean): Record<string, number> {
  const pages = (128 * MIB) / 4096;
  const pool = new ZbudPool({ maxPages: 2 ** 21, shared });
  const handles = new Float64Array(pages);
  collect();
  const before = rssBytes();
  for (let i = 0; i < pages; i++) {
    handles[i] = mustAlloc(pool, 3968);
    pool.map(handles[i] as Handle).fill(1);
  }
  collect();
  const fullBytes = rssBytes() - before;
  for (let i = pages >>> 1; i < pages; i++) pool.free(handles[i] as Handle);
  const freedBytes = rssBytes() - before;
  const givenHalf = pool.trim();
  const halfBytes = rssBytes() - before;
  let intact = 1;
  for (let i = 0; i < pages >>> 1; i += 97) if (pool.map(handles[i] as Handle)[3967] !== 1) intact = 0;
  for (let i = 0; i < pages >>> 1; i++) pool.free(handles[i] as Handle);
  const givenAll = pool.trim();
  collect();
  const emptyBytes = rssBytes() - before;
  verify(pool);
  return { fullBytes, freedBytes, givenHalf, halfBytes, givenAll, emptyBytes, intact };
}

/** The most memory that was ever resident while pages that nobody touched were taken, trimmed and closed. */
function untouched(pages: number): Record<string, number> {
  const pool = new ZbudPool({ maxPages: 2 ** 21 });
  const handles = new Float64Array(pages);
  for (let i = 0; i < pages; i++) handles[i] = 0;
  const before = rssBytes("VmHWM");
  for (let i = 0; i < pages; i++) handles[i] = mustAlloc(pool, 3968);
  const takenBytes = rssBytes("VmHWM") - before;
  for (let i = pages - 1; i >= 0; i--) pool.free(handles[i] as Handle);
  pool.trim();
  const trimmedBytes = rssBytes("VmHWM") - before;
  for (let i = 0; i < pages; i++) handles[i] = mustAlloc(pool, 3968);
  pool.close();
  const closedBytes = rssBytes("VmHWM") - before;
  return { takenBytes, trimmedBytes, closedBytes };
}

/** Heap growth over a million operations of one kind, after a warm-up, with no collection in between. */
function heap(kind: string, maxPages: number): Record<string, number> {
  const live = 1000;
  const onEvict = (handle: Handle, given: Pool): boolean => {
    given.free(handle);
    return true;
  };
  const pool = new ZbudPool({ maxPages, onEvict });
  const handles = new Float64Array(live);
  for (let i = 0; i < live; i++) handles[i] = mustAlloc(pool, 1 + ((i * 769) % 3968));
  const prng = new Prng(5);
  const allocAndFree = (operations: number): void => {
    for (let i = 0; i < operations; i += 2) {
      const at = prng.below(live);
      pool.free(handles[at] as Handle);
      handles[at] = pool.alloc(1 + prng.below(3968)) as number;
    }
  };
  const reclaims = (operations: number): void => {
    for (let i = 0; i < operations; i += 2) {
      pool.alloc(3000);
      pool.reclaimPage();
    }
  };
  const run = kind === "reclaim" ? reclaims : allocAndFree;
  // Many short calls, so that the optimizing compiler has taken the whole loop before the measurement.
  for (let i = 0; i < 2000; i++) run(500);
  // On a busy machine it comes late, and code of an earlier tier keeps more numbers on the heap: best of three.
  let grownBytes = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 2000; i++) run(500);
    grownBytes = Math.min(grownBytes, process.memoryUsage().heapUsed - before);
  }
  verify(pool);
  return { grownBytes };
}

const [name, first, second] = process.argv.slice(2);
let result: Record<string, number> = {};
if (name === "empty") result = empty(first === "shared");
if (name === "trim") result = trim(first === "shared");
if (name === "untouched") result = untouched(Number(first));
if (name === "heap") result = heap(first, Number(second));
console.log(JSON.stringify(result));
