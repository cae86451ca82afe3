import type { Handle } from "../src/base/index.ts";
import { createPool } from "../src/drivers/index.ts";
import { hasDriver, type Pool } from "../src/pool/index.ts";
import { type BenchOptions, type Contender, race, type TimedRow, timeRows } from "./harness.ts";
import { makeWork, type Work } from "./work.ts";

/** Other drivers, and how many times the time of zbud they may take. */
const DRIVERS = [
  { name: "slots", type: "slots", goal: 2, options: {} },
  { name: "zsmalloc", type: "zsmalloc", goal: 2.5, options: {} },
  { name: "log", type: "log", goal: null, options: {} },
  { name: "log, slack 20", type: "log", goal: null, options: { slack: 20 } },
  {
    name: "size-classes, four page sizes",
    type: "size-classes",
    goal: null,
    options: { pageSizes: [1024, 2048, 3072, 4096] },
  },
];

/** free + alloc in a full pool, through the zpool interface, by every driver against zbud. */
export function driverRows({ seed, quick, log }: BenchOptions): TimedRow[] {
  const live = quick ? 1000 : 100_000;
  const work = makeWork(live, quick ? 10_000 : 500_000, seed);
  return DRIVERS.filter(({ type }) => hasDriver(type)).flatMap(({ name, type, goal, options }) => {
    log(`  free + alloc, ${live.toLocaleString("en-US")} live, ${name} against zbud …`);
    const own = contender(name, createPool(type, { ...limitOf(options, live), ...options }), work);
    const zbud = contender("zbud", createPool("zbud", { maxPages: live }), work);
    const timings = race([own, zbud], {
      operations: work.operations,
      rounds: quick ? 1 : 5,
      warmups: 1,
      seed,
    });
    const what = goal === null ? name : `${name} (goal ≤ ${goal})`;
    return timeRows("allocator", `free + alloc, ${live.toLocaleString("en-US")} live, ${what}`, timings);
  });
}

function limitOf(options: object, live: number): { maxPages: number } | { maxBytes: number } {
  return "pageSizes" in options ? { maxBytes: 2 * live * 4096 } : { maxPages: live };
}

function contender(name: string, pool: Pool, { fillSizes, places, sizes, operations }: Work): Contender {
  const take = (size: number): number => {
    const handle = pool.alloc(size);
    if (typeof handle === "string") throw new Error(`${name}: ${handle}`);
    return handle;
  };
  const handles = Float64Array.from(fillSizes, take);
  return {
    name,
    round(): number {
      for (let i = 0; i < operations; i++) {
        pool.free(handles[places[i]] as Handle);
        handles[places[i]] = take(sizes[i]);
      }
      return handles.length;
    },
  };
}
