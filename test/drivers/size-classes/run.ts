/** Random operations on a pool of size classes, with a map as the model: what is stored is there, and the books balance. */

import assert from "node:assert/strict";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { SizeClassPool } from "../../../src/drivers/size-classes/index.ts";
import type { PageMemory } from "../../../src/memory/index.ts";

interface Stored {
  size: number;
  fill: number;
}

export interface SizeClassPlan {
  seed: number;
  maxBytes: number;
  pageSizes: readonly number[] | "fit";
  warmUp?: number;
  shared?: boolean;
  lock?: "own" | "caller";
  memory?: PageMemory;
}

/** One pool and its model; `step` does one random operation and checks everything. */
export class SizeClassRun {
  readonly pool: SizeClassPool;
  readonly live: Map<Handle, Stored> = new Map();
  readonly #plan: SizeClassPlan;
  readonly #prng: Prng;
  readonly #freed: Handle[] = [];
  /** Sizes that come now; they drift. */
  #low = 1;
  #high = 100;
  #fill = 0;
  refits = 0;

  constructor(plan: SizeClassPlan) {
    const { seed, memory, maxBytes, pageSizes, warmUp, shared = false, lock = "own" } = plan;
    this.#plan = plan;
    this.#prng = new Prng(seed);
    const onEvict = (handle: Handle): boolean => this.#evict(handle);
    const fit = warmUp === undefined ? {} : { warmUp };
    this.pool = new SizeClassPool(
      { maxBytes, pageSizes, shared, lock, onEvict, ...fit },
      memory === undefined ? {} : { memory },
    );
    this.#drift();
  }

  step(): void {
    const prng = this.#prng;
    const kind = prng.below(100);
    if (kind < 55) this.#alloc();
    else if (kind < 85) this.#free();
    else if (kind < 92) this.pool.reclaimPage(prng.between(1, 8));
    else if (kind < 94) this.#drift();
    else if (kind < 96) this.#refit();
    else if (kind < 97) this.pool.trim();
    else this.#misuse();
    this.check();
  }

  check(): void {
    const { pool, live } = this;
    verify(pool);
    assert.ok(pool.totalBytes <= this.#plan.maxBytes, "the limit in bytes");
    const stats = pool.stats();
    assert.equal(stats.objects, live.size);
    assert.equal(stats.pageBytes, pool.totalBytes);
    assert.equal(stats.pages, pool.pageCount);
    let bytes = 0;
    const left = new Set(live.keys());
    pool.objects((handle, size) => {
      assert.ok(left.delete(handle), `object ${handle} is stored, and nobody holds it`);
      assert.equal(size, live.get(handle)?.size);
      bytes += size;
    });
    assert.equal(left.size, 0, "every object is visited");
    assert.equal(bytes, stats.objectBytes);
  }

  /** Reads everything back. */
  readAll(): void {
    for (const [handle, stored] of this.live) this.#assertStored(handle, stored);
  }

  finish(): void {
    this.readAll();
    for (const handle of this.live.keys()) this.pool.free(handle);
    this.live.clear();
    this.check();
    assert.equal(this.pool.totalBytes, 0);
    this.pool.close();
  }

  #alloc(): void {
    const { pool, live } = this;
    const size = Math.min(this.#prng.between(this.#low, this.#high), pool.maxObjectBytes);
    const handle = pool.alloc(size);
    assert.notEqual(handle, "ENOSPC");
    if (typeof handle !== "number") return;
    assert.ok(!live.has(handle) && !this.#freed.includes(handle), `handle ${handle} was issued before`);
    this.#fill = (this.#fill % 255) + 1;
    pool.write(handle, new Uint8Array(size).fill(this.#fill));
    live.set(handle, { size, fill: this.#fill });
  }

  #free(): void {
    const handle = this.#any();
    if (handle === undefined) return;
    this.#assertStored(handle, this.live.get(handle) as Stored);
    this.pool.free(handle);
    this.live.delete(handle);
    this.#freed.push(handle);
    if (this.#freed.length > 200) this.#freed.shift();
  }

  #evict(handle: Handle): boolean {
    assert.ok(this.live.has(handle), `object ${handle} is offered, and nobody holds it`);
    verify(this.pool);
    if (this.#prng.chance(0.2)) return false;
    if (this.#prng.chance(0.2)) this.#alloc();
    this.#assertStored(handle, this.live.get(handle) as Stored);
    this.pool.free(handle);
    this.live.delete(handle);
    return true;
  }

  #refit(): void {
    const prng = this.#prng;
    if (prng.chance(0.3) && this.live.size > 0) {
      if (this.pool.refit() !== "EAGAIN") this.refits++;
      return;
    }
    const most = this.pool.maxObjectBytes;
    const sizes = Array.from(
      { length: prng.between(1, 4) },
      () => 64 * prng.between(4, Math.ceil(most / 64)),
    );
    const ascending = [...new Set(sizes)].sort((a, b) => a - b);
    if (this.pool.refit(ascending) !== "EAGAIN") this.refits++;
  }

  #misuse(): void {
    const { pool } = this;
    const freed = this.#freed[this.#prng.below(this.#freed.length || 1)] ?? (12_345_678_901 as Handle);
    assert.throws(() => pool.free(freed), /EBADF/);
    assert.throws(() => pool.read(freed, new Uint8Array(8192)), /EBADF/);
  }

  #drift(): void {
    const most = this.pool.maxObjectBytes;
    this.#low = this.#prng.between(1, most);
    this.#high = this.#prng.between(this.#low, most);
  }

  #any(): Handle | undefined {
    const at = this.#prng.below(this.live.size || 1);
    let i = 0;
    for (const handle of this.live.keys()) if (i++ === at) return handle;
    return undefined;
  }

  #assertStored(handle: Handle, { size, fill }: Stored): void {
    const bytes = new Uint8Array(size);
    assert.equal(this.pool.read(handle, bytes), size);
    assert.ok(
      bytes.every((byte) => byte === fill),
      `the bytes of object ${handle} were overwritten`,
    );
  }
}
