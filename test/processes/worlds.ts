/** What is tortured: caches, stores and pools of several kinds. */

import type { DriverName } from "../threads/pools.ts";
import { cacheSubject } from "./cache-subject.ts";
import { poolSubject } from "./pool-subject.ts";
import { buildPoolProgram, buildProgram, type Program } from "./programs.ts";
import { storeSubject } from "./store-subject.ts";
import { type Subject, type TortureReport, torture } from "./torture.ts";

/** One kind. */
export interface World {
  name: string;
  subject: Subject;
  /** What is built, by which it is built once. */
  program: string;
  build: (folder: string) => Promise<Program>;
  options: Record<string, unknown>;
  keys: number;
  isRoomy: boolean;
}

/** How much of it. */
export interface Measure {
  folder: string;
  processes: number;
  seed: number;
  kills: number;
  pointsEvery: number;
  crashes: number;
  secondsMax?: number;
  log?: (line: string) => void;
}

const PAGES = 60;
const PAGE_BYTES = 1024;

function cache(name: string, options: Record<string, unknown>, isRoomy = false): World {
  return {
    name: `a cache, ${name}`,
    subject: cacheSubject,
    program: "cache",
    build: (folder) => buildProgram(folder, "cache-player"),
    options: { maxBytes: isRoomy ? "12MiB" : "1MiB", tags: true, ...options },
    keys: isRoomy ? 512 : 2400,
    isRoomy,
  };
}

function store(name: string, options: Record<string, unknown>, isRoomy = false): World {
  return {
    name: `a page store, ${name}`,
    subject: storeSubject,
    program: "store",
    build: (folder) => buildProgram(folder, "store-player"),
    options: { shards: 2, ...options },
    keys: 600,
    isRoomy,
  };
}

function pool(driver: DriverName): World {
  const sizes =
    driver === "size-classes"
      ? { maxBytes: PAGES * PAGE_BYTES, pageSizes: [PAGE_BYTES / 2, PAGE_BYTES] }
      : { maxPages: PAGES, pageSize: PAGE_BYTES };
  return {
    name: `a ${driver} pool`,
    subject: poolSubject,
    program: driver,
    build: (folder) => buildPoolProgram(folder, driver),
    options: { driver, ...sizes },
    keys: 1,
    isRoomy: false,
  };
}

export const WORLDS: readonly World[] = [
  cache("LRU, with room for all", { maxEntries: 3000 }, true),
  cache("SIEVE, full", { evict: "sieve", shards: 2 }),
  cache("LRU over zbud, full", { driver: "zbud" }),
  cache("by page over zsmalloc, full", { evict: "page", driver: "zsmalloc" }),
  cache("LRU over size classes, full", { driver: "size-classes" }),
  store("with room for all", { maxBytes: "6MiB" }, true),
  store("full, with two drivers", {
    maxBytes: "700KiB",
    whenFull: "drop",
    drivers: ["zbud"],
    evict: "sieve",
  }),
  pool("zbud"),
  pool("slots"),
  pool("zsmalloc"),
  pool("log"),
  pool("size-classes"),
];

const programs = new Map<string, Promise<Program>>();

/** Puts a world under load and lets processes die there. */
export async function tortureWorld(world: World, { folder, ...measure }: Measure): Promise<TortureReport> {
  const { program: name } = world;
  const program = programs.get(name) ?? world.build(folder);
  programs.set(name, program);
  return await torture({ ...world, ...measure, program: await program });
}
