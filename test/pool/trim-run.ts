/** Random operations on a pool of any driver, with trims in between: what is stored is as it was, after each of them. */

import assert from "node:assert/strict";
import { type Handle, Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { createPool } from "../../src/drivers/index.ts";
import { geometryOf } from "../../src/drivers/size-classes/geometry.ts";
import { createPageMemory, threadsMemory } from "../../src/memory/index.ts";
import type { Pool } from "../../src/pool/index.ts";
import { assertObject, finish } from "../support/objects.ts";
import { WatchedMemory } from "../support/watched-memory.ts";
import { DRIVERS, type DriverName } from "../threads/pools.ts";

/** What a pool's memory is: of this thread, of threads, of processes; or one that watches how it is used. */
export const MEMORIES = ["private", "threads", "processes", "watched", "watched by threads"] as const;
export type MemoryKind = (typeof MEMORIES)[number];

const PAGE_SIZES = [1024, 2048, 3328, 4096, 8192, 20_480];

/** A pool of size classes has so many times the pages: else its segments are smaller than a part. */
const SIZE_CLASS_PAGES = 8;

interface Stored {
  size: number;
  fill: number;
}

export class TrimRun {
  readonly pool: Pool;
  readonly watched: WatchedMemory | null;
  /** How often memory was refused, and how many bytes went. */
  refused = 0;
  given = 0;
  readonly #driver: DriverName;
  readonly #prng: Prng;
  readonly #live = new Map<Handle, Stored>();
  readonly #pageSize: number;
  readonly #faults: boolean;
  #fill = 0;

  /** @param path - of a pool that processes share. */
  constructor(driver: DriverName, memory: MemoryKind, seed: number, path: () => string) {
    const prng = new Prng(Math.imul(seed, 0x9e3779b1));
    this.#driver = driver;
    this.#prng = prng;
    this.#pageSize = PAGE_SIZES[prng.below(PAGE_SIZES.length)];
    this.#faults = prng.chance(0.5);
    const maxPages = 8 + prng.below(60);
    const isShared = memory === "threads" || memory === "watched by threads";
    const shared = memory === "processes" ? path() : isShared;
    const giveBack = prng.chance(0.5);
    const onEvict = (handle: Handle): boolean => this.#evict(handle);
    const options = { ...this.#sizes(maxPages), shared, giveBack, onEvict } as never;
    if (!memory.startsWith("watched")) {
      this.watched = null;
      this.pool = createPool(driver, options);
      return;
    }
    const inner = createPageMemory(...this.#layout(maxPages), isShared ? threadsMemory : null);
    this.watched = new WatchedMemory(inner, prng.chance(0.3) ? 16_384 : 4096);
    this.watched.refuses = (call) => this.#refuses(call);
    this.pool = DRIVERS[driver].driver.create(options, { memory: this.watched });
  }

  step(): void {
    const choice = this.#prng.below(24);
    if (choice < 8) this.#alloc();
    else if (choice < 14) this.#freeSome();
    else if (choice < 15) this.#rewriteOne();
    else if (choice < 16) this.pool.reclaimPage(2);
    else if (choice < 17) this.pool.shrinkPages(1 + this.#prng.below(3));
    else if (choice < 18) this.pool.shrinkBytes(1 + this.#prng.below(20_000));
    else if (choice < 19) this.pool.compact(1 + this.#prng.below(20));
    else if (choice < 21) this.#trimSome();
    else if (choice < 22) this.#trimAll();
    else this.#alloc();
    this.#check();
  }

  finish(): void {
    finish(this.pool, this.#live.keys());
  }

  #sizes(maxPages: number): Record<string, unknown> {
    const pageSize = this.#pageSize;
    if (this.#driver !== "size-classes") return { maxPages, pageSize };
    return { maxBytes: SIZE_CLASS_PAGES * pageSize * maxPages, pageSizes: [pageSize / 2, pageSize] };
  }

  /** What the driver makes its memory of: bytes of a piece, and how many of them. */
  #layout(maxPages: number): [number, number] {
    const pageSize = this.#pageSize;
    // One more to copy to.
    if (this.#driver === "log") return [pageSize, maxPages + 1];
    if (this.#driver !== "size-classes") return [pageSize, maxPages];
    const ranges = [
      { pageSize: pageSize / 2, maxSize: 1 },
      { pageSize, maxSize: pageSize - pageSize / 64 },
    ];
    const { segmentBytes, segments } = geometryOf(SIZE_CLASS_PAGES * maxPages * pageSize, 6, ranges);
    return [segmentBytes, segments];
  }

  #refuses(call: "commit" | "give" | "take"): boolean {
    if (!this.#faults || !this.#prng.chance(call === "give" ? 0.1 : 0.4)) return false;
    this.refused++;
    return true;
  }

  #alloc(): void {
    const most = this.pool.maxObjectBytes;
    const size = 1 + this.#prng.below(this.#prng.chance(0.5) ? most : Math.ceil(most / 4));
    const handle = this.pool.alloc(size);
    if (typeof handle === "string") {
      assert.equal(handle, "ENOMEM");
      return;
    }
    assert.ok(!this.#live.has(handle), `handle ${handle} names two objects`);
    this.#fill = (this.#fill + 1) & 0xff;
    this.pool.write(handle, new Uint8Array(size).fill(this.#fill));
    this.#live.set(handle, { size, fill: this.#fill });
  }

  #freeSome(): void {
    const many = this.#prng.chance(0.05) ? this.#live.size / 2 : 1;
    for (let i = 0; i < many && this.#live.size > 0; i++) this.#free(this.#pick());
  }

  #free(handle: Handle): void {
    this.pool.free(handle);
    this.#live.delete(handle);
  }

  #rewriteOne(): void {
    if (this.#live.size === 0) return;
    const handle = this.#pick();
    const stored = this.#live.get(handle) as Stored;
    this.#fill = (this.#fill + 1) & 0xff;
    stored.fill = this.#fill;
    this.pool.map(handle).fill(stored.fill);
    this.pool.unmap(handle);
  }

  #evict(handle: Handle): boolean {
    if (this.#prng.chance(0.2)) return false;
    if (this.#prng.chance(0.1)) this.pool.trim();
    this.#free(handle);
    return true;
  }

  #trimSome(): void {
    const most = 1 + this.#prng.below(50_000);
    const before = this.pool.touchedBytes;
    const given = this.pool.trim(most);
    assert.ok(given < most + (this.watched?.unit ?? 4096), `${given} bytes went of ${most}`);
    this.#count(before, given);
  }

  #trimAll(): void {
    const before = this.pool.touchedBytes;
    const given = this.pool.trim();
    this.#count(before, given);
    if (this.#faults) return;
    // What is left beside pages in use are pieces of parts.
    const { touchedBytes, totalBytes } = this.pool;
    const isWhole = this.#driver !== "size-classes" && this.#pageSize % (this.watched?.unit ?? 4096) === 0;
    if (isWhole) assert.equal(touchedBytes, totalBytes);
  }

  #count(before: number, given: number): void {
    this.given += given;
    // What was refused in the middle may be gone, and is not counted.
    if (this.#faults) return;
    const { touchedBytes } = this.pool;
    // To move objects together it takes pages, whose part of memory may be larger than what comes free of whole ones.
    const isTaken = this.#driver === "log" && given === 0;
    if (isTaken) assert.ok(touchedBytes <= before + 2 * Math.max(this.#pageSize, 16_384), `${touchedBytes}`);
    else assert.equal(touchedBytes, before - given);
  }

  #check(): void {
    verify(this.pool);
    for (const [handle, { size, fill }] of this.#live) assertObject(this.pool, handle, size, fill);
    assert.equal(this.pool.stats().objects, this.#live.size);
    assert.ok(this.pool.touchedBytes >= this.pool.totalBytes, "pages in use are touched");
  }

  #pick(): Handle {
    return [...this.#live.keys()][this.#prng.below(this.#live.size)];
  }
}
