/**
 * Random operations on small pools, against a map from handle to bytes. After each step the whole table is
 * verified, every live object is read back, and what compaction claims is compared with what it did.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZsmallocPool } from "../../../src/drivers/index.ts";
import { createPageMemory, threadsMemory } from "../../../src/memory/index.ts";
import { FaultyMemory } from "../../support/faulty-memory.ts";
import { assertObject, finish } from "../../support/objects.ts";

const RUNS = Number(process.env.ZBUD_PROPERTY_RUNS ?? 60);
const STEPS = 500;
const SEED_FIRST = Number(process.env.ZBUD_PROPERTY_SEED ?? 1);

interface Content {
  size: number;
  fill: number;
}

class Run {
  readonly #prng: Prng;
  readonly #pool: ZsmallocPool;
  readonly #live = new Map<Handle, Content>();
  readonly #most: number;
  readonly #faults: boolean;
  readonly #sizes: number[];
  #freed: Handle | null = null;
  #fill = 0;
  #depth = 0;

  constructor(seed: number) {
    this.#prng = new Prng(Math.imul(seed, 0x9e3779b1));
    for (let i = 0; i < 8; i++) this.#prng.uint32();
    const pick = <T>(...of: T[]): T => of[this.#prng.below(of.length)];
    const pageSize = pick(64, 256, 1024, 3328, 4096);
    const maxPages = 1 + this.#prng.below(20);
    const shared = this.#prng.chance(0.3);
    const lock = pick<"own" | "caller">("own", "caller");
    const maxObjects = this.#prng.chance(0.3) ? 1 + this.#prng.below(24) : undefined;
    this.#most = pageSize;
    this.#faults = this.#prng.chance(0.3);
    const inner = createPageMemory(pageSize, maxPages, shared ? threadsMemory : null);
    const memory = new FaultyMemory(inner, () => this.#faults && this.#prng.chance(0.4));
    const onEvict = (handle: Handle): boolean => this.#evict(handle);
    const maxGroupPages = 1 + this.#prng.below(8);
    this.#pool = new ZsmallocPool(
      { maxPages, pageSize, maxGroupPages, maxObjects, shared, lock, onEvict },
      { memory },
    );
    // Few classes, so that groups fill and compaction has something to do.
    this.#sizes = Array.from({ length: 1 + this.#prng.below(4) }, () => 1 + this.#prng.below(pageSize));
  }

  step(): void {
    const choice = this.#prng.below(20);
    if (choice < 8) this.#alloc();
    else if (choice < 13) this.#freeOne();
    else if (choice < 15) this.#compact();
    else if (choice < 17) this.#reclaim();
    else if (choice < 18) this.#rewriteOne();
    else if (choice < 19) this.#misuse();
    else this.#pool.trim();
    this.#check();
  }

  finish(): void {
    finish(this.#pool, this.#live.keys());
  }

  #alloc(): void {
    const usual = this.#sizes[this.#prng.below(this.#sizes.length)];
    const size = this.#prng.chance(0.8) ? usual : 1 + this.#prng.below(this.#most + 1);
    const handle = this.#pool.alloc(size);
    if (typeof handle === "string") {
      assert.equal(handle, size > this.#most ? "ENOSPC" : "ENOMEM");
      return;
    }
    assert.ok(!this.#live.has(handle), `handle ${handle} names two objects`);
    this.#fill = (this.#fill + 1) & 0xff;
    this.#pool.write(handle, new Uint8Array(size).fill(this.#fill));
    this.#live.set(handle, { size, fill: this.#fill });
  }

  #freeOne(): void {
    const handle = this.#pick();
    if (handle !== null) this.#free(handle);
  }

  #free(handle: Handle): void {
    this.#pool.free(handle);
    this.#live.delete(handle);
    this.#freed = handle;
  }

  /** What it claims is true, and it moves nothing in vain. */
  #compact(): void {
    const before = this.#pool.pageCount;
    const most = this.#prng.chance(0.5) ? 1 + this.#prng.below(6) : undefined;
    const { moved, pagesReleased } = this.#pool.compact(most);
    assert.equal(this.#pool.pageCount, before - pagesReleased);
    assert.ok(moved <= (most ?? Number.POSITIVE_INFINITY));
    if (most !== undefined) return;
    assert.equal(moved > 0, pagesReleased > 0, "moves release, and releases come of moves");
    assert.deepEqual(this.#pool.compact(), { moved: 0, pagesReleased: 0 }, "nothing is left to do");
  }

  #reclaim(): void {
    const before = this.#pool.pageCount;
    let result: string;
    try {
      result = this.#pool.reclaimPage(this.#prng.below(4));
    } catch (error) {
      assert.match((error as Error).message, /a handler's own/);
      return;
    }
    if (before === 0) assert.equal(result, "EINVAL");
    if (result === "ok") assert.ok(this.#pool.releasedPages > 0);
  }

  #evict(handle: Handle): boolean {
    const content = this.#live.get(handle);
    if (content === undefined) assert.fail(`${handle} is offered, but is not live`);
    assertObject(this.#pool, handle, content.size, content.fill);
    const choice = this.#prng.below(12);
    if (choice === 0) return false;
    if (choice === 1) return true;
    if (choice === 2) throw new Error("a handler's own");
    if (choice === 3) this.#alloc();
    if (choice === 4) this.#freeOne();
    if (choice === 5) this.#pool.compact();
    if (choice === 6 && this.#depth < 3) {
      this.#depth++;
      this.#reclaim();
      this.#depth--;
    }
    if (this.#live.has(handle)) this.#free(handle);
    this.#check();
    return choice !== 7;
  }

  #rewriteOne(): void {
    const handle = this.#pick();
    const content = handle === null ? undefined : this.#live.get(handle);
    if (handle === null || content === undefined) return;
    this.#fill = (this.#fill + 1) & 0xff;
    content.fill = this.#fill;
    this.#pool.map(handle).fill(content.fill);
    this.#pool.compact(1 + this.#prng.below(8)); // the copy is written back to wherever it is by then
    this.#pool.unmap(handle);
  }

  #misuse(): void {
    const freed = this.#freed;
    if (freed === null || this.#live.has(freed)) return;
    for (const call of [() => this.#pool.free(freed), () => this.#pool.map(freed)]) {
      assert.throws(call, { code: "EBADF" });
    }
  }

  #check(): void {
    verify(this.#pool);
    for (const [handle, { size, fill }] of this.#live) assertObject(this.#pool, handle, size, fill);
    const { objects, objectBytes, pages } = this.#pool.stats();
    assert.equal(objects, this.#live.size);
    let bytes = 0;
    for (const { size } of this.#live.values()) bytes += size;
    assert.equal(objectBytes, bytes);
    assert.equal(pages, this.#pool.pageCount);
    const seen = new Set<Handle>();
    this.#pool.objects((handle, size) => {
      assert.equal(this.#live.get(handle)?.size, size);
      seen.add(handle);
    });
    assert.equal(seen.size, objects);
    const inPages = snapshot(this.#pool).pages.flatMap((page) => page.objects.map((each) => each.handle));
    assert.deepEqual(new Set(inPages), seen);
  }

  #pick(): Handle | null {
    if (this.#live.size === 0) return null;
    return [...this.#live.keys()][this.#prng.below(this.#live.size)];
  }
}

describe("ZsmallocPool against a map from handle to bytes", () => {
  it(`agrees after every step (seeds ${SEED_FIRST} to ${SEED_FIRST + RUNS - 1}, ${STEPS} steps each)`, () => {
    for (let seed = SEED_FIRST; seed < SEED_FIRST + RUNS; seed++) {
      let step = 0;
      try {
        const run = new Run(seed);
        for (; step < STEPS; step++) run.step();
        run.finish();
      } catch (error) {
        throw new Error(
          `seed ${seed}, step ${step}: ${(error as Error).message}; again: ZBUD_PROPERTY_SEED=${seed} ZBUD_PROPERTY_RUNS=1`,
          { cause: error },
        );
      }
    }
  });
});
