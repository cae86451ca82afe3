/** Opens and closes what processes share, over and over, and looks at what that leaves behind. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { CompressedCache } from "../../src/cache/index.ts";
import { createPool } from "../../src/drivers/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { isCode } from "../support/is-code.ts";
import { SharedFolder } from "./segments.ts";

/** What a process has of the system. */
export interface Held {
  descriptors: number;
  /** Mappings, and those of the files in question. */
  mappings: number;
  fileMappings: number;
  residentMib: number;
  addressesGib: number;
}

export interface CyclesReport {
  cycles: number;
  ms: number;
  /** After the first cycles, at the worst moment, and in the end. */
  before: Held;
  most: Held;
  after: Held;
}

/** Looks are taken each time after so many cycles. */
const LOOK_EVERY = 50;
/** Cycles after which all code has run. */
const WARM_UP = 100;

function held(folder: string): Held {
  const mappings = readFileSync("/proc/self/maps", "latin1").trimEnd().split("\n");
  const status = readFileSync("/proc/self/status", "latin1");
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)?.[1]);
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    mappings: mappings.length,
    fileMappings: mappings.filter((line) => line.includes(folder)).length,
    residentMib: Math.round(kib("VmRSS") / 1024),
    addressesGib: Math.round(kib("VmSize") / 2 ** 20),
  };
}

/** Without a dictionary: who learns one does so in a thread, which ends some time after the cache is closed. */
function cacheOptions(folder: SharedFolder) {
  return { maxBytes: "4MiB", shared: folder.file("cache"), tags: true, dictionary: "none" } as const;
}

/** What the collector finds is told to nobody while one cycle follows the other. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One of each kind of use. */
async function cycle(folder: SharedFolder, number: number): Promise<void> {
  const options = cacheOptions(folder);
  switch (number % 6) {
    case 0: {
      // Joined, or made the first time.
      const cache = new CompressedCache<string>(options);
      cache.set(number, "value ".repeat(20));
      const other = CompressedCache.attach<string>(cache.share());
      assert.equal(other.get(number), "value ".repeat(20));
      other.close();
      cache.close();
      return;
    }
    case 1: {
      const store = new PageStore({ maxBytes: "4MiB", shared: folder.file("store") });
      assert.equal(store.store(number, new Uint8Array(4096).fill(number)), "stored");
      await store.close();
      return;
    }
    case 2: {
      const pool = createPool("zbud", { maxPages: 64, shared: folder.file("pool") });
      const handle = pool.alloc(100);
      if (typeof handle === "number") pool.free(handle);
      pool.close();
      return;
    }
    case 3: {
      // Replaced.
      const maxPages = 64 + (number % 5);
      createPool("slots", { maxPages, shared: folder.file("other"), whenDifferent: "replace" }).close();
      return;
    }
    case 4: {
      // Made and removed.
      const pool = createPool("zsmalloc", { maxPages: 64, shared: folder.file("gone") });
      assert.equal(typeof pool.alloc(100), "number");
      rmSync(folder.file("gone"));
      pool.close();
      return;
    }
    default:
      // Refused.
      assert.throws(() => new CompressedCache({ ...options, ttl: 5 }), isCode("EINVAL", "ttl"));
  }
}

/**
 * @param looked - told what was held at each look.
 * @param warmUp - cycles before the first look. By default all code has run after them; it takes some thousand until a
 *   process has its size, since its allocators keep what they had once.
 * @throws {AssertionError} if more and more is held.
 */
export async function openAndClose(
  cycles: number,
  looked?: (done: number, now: Held) => void,
  warmUp: number = WARM_UP,
): Promise<CyclesReport> {
  using folder = new SharedFolder();
  // Held all the time, so that some files stay as they are.
  const cache = new CompressedCache(cacheOptions(folder));
  for (let number = 0; number < warmUp; number++) {
    await cycle(folder, number);
    if (number % LOOK_EVERY === 0) await turn();
  }
  await collected();
  const before = held(folder.path);
  const most = { ...before };
  const start = performance.now();
  for (let done = 1; done <= cycles; done++) {
    await cycle(folder, done);
    if (done % LOOK_EVERY !== 0) continue;
    await turn();
    const now = held(folder.path);
    for (const name of Object.keys(now) as (keyof Held)[]) most[name] = Math.max(most[name], now[name]);
    looked?.(done, now);
  }
  const ms = performance.now() - start;
  await collected();
  const after = held(folder.path);
  cache.close();
  return { cycles, ms: Math.round(ms), before, most, after };
}

/** Everything that nobody has any more is gone. */
async function collected(): Promise<void> {
  for (let times = 0; times < 5; times++) {
    globalThis.gc?.();
    await turn();
  }
}

/** Fails unless all is as it was before. */
export function checkHeld({ before, most, after }: CyclesReport): void {
  const text = JSON.stringify({ before, most, after });
  assert.equal(most.descriptors, before.descriptors, text);
  assert.equal(after.descriptors, before.descriptors, text);
  // Those of the cache that stays open.
  assert.ok(after.fileMappings < 20, text);
  assert.ok(after.mappings < before.mappings + 100, text);
  assert.ok(after.residentMib < before.residentMib + 40, text);
  assert.ok(after.addressesGib < before.addressesGib + 50, text);
  // A system lets a process have 65,530.
  assert.ok(most.mappings < 20_000, text);
}
