/**
 * Random operations on small pools, against a map from handle to bytes. After each step the whole table is
 * verified, every live object is read back, and what an alloc refuses, or a compaction claims, is compared with what
 * there is.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { LogPool } from "../../../src/drivers/index.ts";
import { createPageMemory, threadsMemory } from "../../../src/memory/index.ts";
import { FaultyMemory } from "../../support/faulty-memory.ts";
import { assertObject, finish } from "../../support/objects.ts";

const RUNS = Number(process.env.ZBUD_PROPERTY_RUNS ?? 60);
const STEPS = 500;
const SEED_FIRST = Number(process.env.ZBUD_PROPERTY_SEED ?? 1);

const KINDS = [
  "alloc",
  "alloc",
  "alloc",
  "free",
  "free",
  "freeOldest",
  "compact",
  "reclaim",
  "rewrite",
  "misuse",
  "trim",
  "allow",
  "openGap",
] as const;

interface Step {
  kind: (typeof KINDS)[number];
  x: number;
  y: number;
}

interface Plan {
  pageSize: number;
  maxPages: number;
  maxObjects: number | undefined;
  slack: number | undefined;
  shared: boolean;
  lock: "own" | "caller";
  faults: boolean;
  /** Most objects have one of these sizes. */
  sizes: number[];
}

class Run {
  readonly #plan: Plan;
  readonly #pool: LogPool;
  readonly #live = new Map<Handle, { size: number; fill: number }>();
  #step: Step = { kind: "trim", x: 0, y: 0 };
  #allowed = Number.POSITIVE_INFINITY;
  #freed: Handle | null = null;
  #fill = 0;
  #depth = 0;
  #seed = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    const { pageSize, maxPages, maxObjects, slack, shared, lock } = plan;
    const inner = createPageMemory(pageSize, maxPages + 1, shared ? threadsMemory : null);
    const memory = new FaultyMemory(inner, () => plan.faults && this.#below(5) < 2);
    const onEvict = (handle: Handle): boolean => this.#evict(handle);
    this.#pool = new LogPool({ maxPages, pageSize, maxObjects, slack, shared, lock, onEvict }, { memory });
  }

  step(step: Step): void {
    this.#step = step;
    this.#seed = step.y;
    if (step.kind === "alloc") this.#alloc();
    else if (step.kind === "free") this.#freeOne();
    else if (step.kind === "freeOldest") this.#freeOldest();
    else if (step.kind === "compact") this.#compact();
    else if (step.kind === "reclaim") this.#reclaim();
    else if (step.kind === "rewrite") this.#rewriteOne();
    else if (step.kind === "misuse") this.#misuse();
    else if (step.kind === "allow") this.#allow();
    else if (step.kind === "openGap") this.#openGap();
    else this.#pool.trim();
    this.#check();
  }

  finish(): void {
    finish(this.#pool, this.#live.keys());
  }

  /** What a step does follows from its numbers alone, so that a sequence can be shortened. */
  #below(end: number): number {
    this.#seed = (Math.imul(this.#seed ^ (this.#seed >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) >>> 0;
    return (this.#seed >>> 7) % end;
  }

  #alloc(): void {
    const { sizes, pageSize } = this.#plan;
    const size = this.#below(5) > 0 ? sizes[this.#below(sizes.length)] : 1 + this.#below(pageSize + 1);
    const before = this.#pool.pageCount;
    const handle = this.#pool.alloc(size);
    if (typeof handle === "string") {
      assert.equal(handle, size > pageSize ? "ENOSPC" : "ENOMEM");
      if (handle === "ENOMEM") this.#checkRefused(size);
      return;
    }
    assert.ok(this.#pool.pageCount <= Math.max(before, this.#allowed), "no more pages than are allowed");
    assert.ok(!this.#live.has(handle), `handle ${handle} names two objects`);
    this.#fill = (this.#fill + 1) & 0xff;
    this.#pool.write(handle, new Uint8Array(size).fill(this.#fill));
    this.#live.set(handle, { size, fill: this.#fill });
  }

  /** Nothing is refused for which some page has room, but for what no list counts. */
  #checkRefused(size: number): void {
    const { pageSize, maxPages, maxObjects = Number.POSITIVE_INFINITY, slack = 0, faults } = this.#plan;
    const most = Math.min(maxPages, Math.max(this.#allowed, this.#pool.pageCount));
    if (faults || this.#depth > 0 || this.#live.size >= maxObjects) return;
    assert.ok(this.#pool.pageCount >= most, "refused while there may be more pages");
    if (slack > 0) return;
    for (const { objects } of snapshot(this.#pool).pages) {
      if (objects.length === 0) continue;
      const used = objects.reduce((sum, object) => sum + 8 * Math.ceil(object.size / 8), 0);
      const room = pageSize - used - pageSize / 63 - 8;
      assert.ok(room < 8 * Math.ceil(size / 8), `${size} bytes were refused, and a page has ${room}`);
    }
  }

  #freeOne(): void {
    const handle = this.#pick();
    if (handle !== undefined) this.#free(handle);
  }

  /** As a queue does. */
  #freeOldest(): void {
    for (let i = 1 + this.#below(8); i > 0; i--) {
      const [oldest] = this.#live.keys();
      if (oldest !== undefined) this.#free(oldest);
    }
  }

  #free(handle: Handle): void {
    this.#pool.free(handle);
    this.#live.delete(handle);
    this.#freed = handle;
  }

  /** What it claims is true, and it moves nothing in vain. */
  #compact(): void {
    const before = this.#pool.pageCount;
    const most = this.#below(2) === 0 ? 1 + this.#below(6) : undefined;
    const { moved, pagesReleased } = this.#pool.compact(most);
    assert.equal(this.#pool.pageCount, before - pagesReleased);
    if (this.#plan.faults) return;
    assert.equal(moved > 0, pagesReleased > 0, "moves release, and releases come of moves");
    if (most === undefined)
      assert.deepEqual(this.#pool.compact(), { moved: 0, pagesReleased: 0 }, "nothing is left to do");
  }

  #reclaim(): void {
    const before = this.#pool.pageCount;
    let result: string;
    this.#depth++;
    try {
      result = this.#pool.reclaimPage(this.#below(4));
    } catch (error) {
      assert.match((error as Error).message, /a handler's own/);
      return;
    } finally {
      this.#depth--;
    }
    if (before === 0) assert.equal(result, "EINVAL");
    if (result === "ok") assert.ok(this.#pool.releasedPages > 0);
  }

  #evict(handle: Handle): boolean {
    const content = this.#live.get(handle);
    if (content === undefined) assert.fail(`${handle} is offered, but is not live`);
    assertObject(this.#pool, handle, content.size, content.fill);
    const choice = this.#below(12);
    if (choice === 0) return false;
    if (choice === 1) return true;
    if (choice === 2) throw new Error("a handler's own");
    if (choice === 3) this.#alloc();
    if (choice === 4) this.#freeOne();
    if (choice === 5) this.#pool.compact();
    if (choice === 6 && this.#depth < 4) this.#reclaim();
    if (this.#live.has(handle)) this.#free(handle);
    this.#check();
    return choice !== 7;
  }

  #rewriteOne(): void {
    const handle = this.#pick();
    const content = handle === undefined ? undefined : this.#live.get(handle);
    if (handle === undefined || content === undefined) return;
    this.#fill = (this.#fill + 1) & 0xff;
    content.fill = this.#fill;
    this.#pool.map(handle).fill(content.fill);
    this.#pool.compact(1 + this.#below(8)); // the copy is written back to wherever it is by then
    this.#pool.unmap(handle);
  }

  #misuse(): void {
    const freed = this.#freed;
    if (freed === null || this.#live.has(freed)) return;
    for (const call of [() => this.#pool.free(freed), () => this.#pool.map(freed)]) {
      assert.throws(call, { code: "EBADF" });
    }
  }

  /** In the pages that are in use, and what it gives is there. */
  #openGap(): void {
    const { pageSize } = this.#plan;
    const before = this.#pool.pageCount;
    const bytes = 1 + this.#below(pageSize / 2);
    const isOpen = this.#pool.openGap(bytes, this.#below(2) === 0);
    assert.equal(this.#pool.pageCount, before);
    if (isOpen) assert.ok(this.#pool.roomLeft >= bytes - 7, `${this.#pool.roomLeft} of ${bytes} bytes`);
  }

  #allow(): void {
    const { maxPages, pageSize } = this.#plan;
    const pages = this.#below(maxPages + 2);
    const before = this.#allowed;
    this.#allowed = Math.min(Math.max(1, pages), maxPages);
    const isMore = this.#pool.allowBytes(pages * pageSize + this.#below(pageSize));
    assert.equal(isMore, Number.isFinite(before) && this.#allowed > before);
  }

  #check(): void {
    verify(this.#pool);
    for (const [handle, { size, fill }] of this.#live) assertObject(this.#pool, handle, size, fill);
    const { objects, objectBytes, pages, metadataBytes } = this.#pool.stats();
    assert.equal(objects, this.#live.size);
    let bytes = 0;
    for (const { size } of this.#live.values()) bytes += size;
    assert.equal(objectBytes, bytes);
    assert.equal(pages, this.#pool.pageCount);
    assert.ok(metadataBytes > 0);
    const { pageSize } = this.#plan;
    assert.ok(this.#pool.roomLeft >= 0 && this.#pool.roomLeft < pageSize + 8);
    const seen = new Set<Handle>();
    this.#pool.objects((handle, size) => {
      assert.equal(this.#live.get(handle)?.size, size);
      seen.add(handle);
    });
    assert.equal(seen.size, objects);
    const inPages = snapshot(this.#pool).pages.flatMap((page) => page.objects.map((each) => each.handle));
    assert.deepEqual(new Set(inPages), seen);
  }

  #pick(): Handle | undefined {
    const index = this.#step.x % Math.max(1, this.#live.size);
    let at = 0;
    for (const handle of this.#live.keys()) if (at++ === index) return handle;
    return undefined;
  }
}

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

const arbitraryPlan: fc.Arbitrary<Plan> = fc
  .record({
    pageSize: fc.constantFrom(512, 576, 1024, 4096),
    maxPages: fc.integer({ min: 1, max: 12 }),
    maxObjects: fc.option(fc.integer({ min: 1, max: 24 }), { nil: undefined }),
    slack: fc.constantFrom(undefined, undefined, 0, 5, 50),
    shared: fc.boolean(),
    lock: fc.constantFrom("own" as const, "caller" as const),
    faults: fc.constantFrom(false, false, false, true),
    shares: fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 4 }),
  })
  .map(({ shares, ...plan }) => ({
    ...plan,
    sizes: shares.map((share) => Math.ceil((plan.pageSize * share) / 1000)),
  }));

function planOf(prng: Prng): Plan {
  const pick = <T>(...of: T[]): T => of[prng.below(of.length)];
  const pageSize = pick(512, 640, 1024, 4096);
  return {
    pageSize,
    maxPages: 1 + prng.below(20),
    maxObjects: prng.chance(0.3) ? 1 + prng.below(24) : undefined,
    slack: pick(undefined, 0, 5, 20),
    shared: prng.chance(0.3),
    lock: pick("own", "caller"),
    faults: prng.chance(0.2),
    sizes: Array.from({ length: 1 + prng.below(4) }, () => 1 + prng.below(pick(pageSize, pageSize >> 3))),
  };
}

describe("LogPool against a map from handle to bytes", () => {
  it("agrees after every step of any sequence (fast-check, shrinks a failure)", () => {
    const seed = Number(process.env.ZBUD_FAST_CHECK_SEED ?? 20261129);
    console.log(`fast-check seed ${seed}; another: ZBUD_FAST_CHECK_SEED=N`);
    const arbitraryStep = fc.record({ kind: fc.constantFrom(...KINDS), x: uint32, y: uint32 });
    fc.assert(
      fc.property(arbitraryPlan, fc.array(arbitraryStep, { maxLength: 150, size: "max" }), (plan, steps) => {
        const run = new Run(plan);
        for (const step of steps) run.step(step);
        run.finish();
      }),
      { seed, numRuns: Number(process.env.ZBUD_FAST_CHECK_RUNS ?? 150) },
    );
  });

  it(`agrees after every step (seeds ${SEED_FIRST} to ${SEED_FIRST + RUNS - 1}, ${STEPS} steps each)`, () => {
    for (let seed = SEED_FIRST; seed < SEED_FIRST + RUNS; seed++) {
      const prng = new Prng(Math.imul(seed, 0x9e37_79b1));
      for (let i = 0; i < 8; i++) prng.uint32();
      let step = 0;
      try {
        const run = new Run(planOf(prng));
        for (; step < STEPS; step++) {
          run.step({ kind: KINDS[prng.below(KINDS.length)], x: prng.uint32(), y: prng.uint32() });
        }
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
