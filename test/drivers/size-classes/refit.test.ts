/** Page sizes change while others read what is stored, and while memory fails. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { SizeClassPool } from "../../../src/drivers/index.ts";
import { createPageMemory } from "../../../src/memory/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import { FaultyMemory } from "../../support/faulty-memory.ts";
import type { SizeClassReaderData } from "./reader.ts";

/** Of a pool of size classes of so many bytes. */
const SEGMENT_BYTES = 2 ** 15;
const SEGMENTS = 16;
const MAX_BYTES = SEGMENT_BYTES * SEGMENTS;
const OBJECTS = 512;
const REFITS: readonly (readonly number[])[] = [[1024, 4096], [640, 1728, 4096], [2048, 4096], [4096]];

class Deliberate extends Error {}

/** One pool under a drifting load. */
class Drift {
  readonly pool: SizeClassPool;
  readonly handles: Float64Array = new Float64Array(new SharedArrayBuffer(8 * OBJECTS));
  readonly sizes: Int32Array = new Int32Array(OBJECTS);
  readonly #prng: Prng;
  readonly #places = new Map<Handle, number>();
  evicted = 0;
  drained = 0;
  thrown = 0;
  #round = 0;

  /** @param throws - whether the evict handler fails this time. */
  constructor(seed: number, shared: boolean, memory?: FaultyMemory, throws: () => boolean = () => false) {
    this.#prng = new Prng(seed);
    const onEvict = (handle: Handle, pool: Pool): boolean => {
      const at = this.#places.get(handle) as number;
      if (throws()) throw new Deliberate();
      if ((at & 7) === 1) return false;
      this.evicted++;
      this.#free(at, handle, pool as SizeClassPool);
      return true;
    };
    const parts = memory === undefined ? {} : { memory };
    this.pool = new SizeClassPool({ maxBytes: MAX_BYTES, pageSizes: REFITS[0], shared, onEvict }, parts);
  }

  /** Sizes that come now fit the page sizes of now; what lies in pages of earlier sizes is drained. */
  round(): void {
    const { pool } = this;
    const pageSizes = REFITS[++this.#round % REFITS.length];
    assert.notEqual(pool.refit(pageSizes), "EAGAIN");
    const before = this.#closedPages(pageSizes);
    const small = pageSizes[0] >> 1;
    for (let i = 0; i < 300; i++) {
      const at = this.#prng.below(OBJECTS);
      const size = this.#prng.chance(0.8)
        ? this.#prng.between(small >> 1, small - 48)
        : this.#prng.between(1, pool.maxObjectBytes);
      this.replace(at, size);
      assert.ok(pool.totalBytes <= MAX_BYTES, "the limit holds while pages of both kinds are there");
    }
    this.drained += Math.max(before - this.#closedPages(pageSizes), 0);
    verify(pool);
  }

  replace(at: number, size: number): void {
    const { pool, handles } = this;
    const old = handles[at] as Handle;
    if (old !== 0) this.#free(at, old, pool);
    let handle = pool.alloc(size);
    for (let tries = 0; tries < 20 && handle === "ENOMEM"; tries++) {
      this.#reclaim();
      handle = pool.alloc(size);
    }
    if (typeof handle !== "number") return;
    // Its bytes are written before anybody knows its handle.
    pool.write(handle, new Uint8Array(size).fill(1 + (at % 255)));
    this.#places.set(handle, at);
    this.sizes[at] = size;
    handles[at] = handle;
  }

  check(): void {
    const { pool } = this;
    const into = new Uint8Array(pool.maxObjectBytes);
    for (const [handle, at] of this.#places) {
      const size = pool.read(handle, into);
      assert.equal(size, this.sizes[at]);
      const wrong = into.subarray(0, size).findIndex((byte) => byte !== 1 + (at % 255));
      assert.equal(wrong, -1, `object ${at} was overwritten`);
    }
    assert.equal(pool.stats().objects, this.#places.size);
    verify(pool);
  }

  finish(): void {
    this.check();
    for (const [handle, at] of this.#places) this.#free(at, handle, this.pool);
    verify(this.pool);
    assert.equal(this.pool.totalBytes, 0);
    this.pool.close();
  }

  #reclaim(): void {
    try {
      this.pool.reclaimPage(8);
    } catch (error) {
      if (!(error instanceof Deliberate)) throw error;
      this.thrown++;
    }
  }

  #free(at: number, handle: Handle, pool: SizeClassPool): void {
    this.handles[at] = 0;
    this.#places.delete(handle);
    pool.free(handle);
  }

  #closedPages(pageSizes: readonly number[]): number {
    return snapshot(this.pool).pages.filter(({ bytes }) => !pageSizes.includes(bytes)).length;
  }
}

describe("a pool of size classes's page sizes change", () => {
  it("while others read and map: what is there is whole", { timeout: 120_000 }, async (t) => {
    const drift = new Drift(1, true);
    const control = new Int32Array(new SharedArrayBuffer(16));
    const data: SizeClassReaderData = { shared: drift.pool.share(), handles: drift.handles, control };
    const workers = [0, 1].map(
      () => new Worker(new URL("./reader.ts", import.meta.url), { workerData: data }),
    );
    const ends = Promise.all(workers.map((worker) => once(worker, "message")));
    ends.catch(() => undefined);
    const start = performance.now();
    let rounds = 0;
    while (performance.now() - start < 60_000 && (rounds < 40 || Atomics.load(control, 1) < 20_000)) {
      drift.round();
      rounds++;
      await Promise.race([ends, new Promise((resolve) => setImmediate(resolve))]);
    }
    Atomics.store(control, 0, 1);
    await ends;
    const { evicted, drained } = drift;
    const [, whole, gone] = control;
    t.diagnostic(
      `${rounds} refits, ${drained} pages drained, ${evicted} evicted; ${whole} read, ${gone} gone`,
    );
    assert.ok(drained > 100 && evicted > 100 && whole > 1000 && gone > 0);
    drift.finish();
  });

  it("while memory refuses once, at each point in turn, and from each point on", () => {
    /** How often memory was asked for. */
    const run = (refuses: (asked: number) => boolean): number => {
      const memory = new FaultyMemory(createPageMemory(SEGMENT_BYTES, SEGMENTS, null), refuses);
      const drift = new Drift(2, false, memory);
      for (let i = 0; i < 5; i++) {
        drift.round();
        drift.pool.trim();
      }
      drift.finish();
      return memory.asked;
    };
    const asked = run(() => false);
    assert.ok(asked >= SEGMENTS, `${asked} times`);
    for (let point = 0; point < asked; point++) {
      run((at) => at === point);
      run((at) => at >= point);
    }
  });

  it("while memory comes and goes and evict handlers throw", () => {
    for (let seed = 1; seed <= 6; seed++) {
      const faults = new Prng(seed + 100);
      const inner = createPageMemory(SEGMENT_BYTES, SEGMENTS, null);
      const memory = new FaultyMemory(inner, () => faults.chance(0.4));
      const drift = new Drift(seed, false, memory, () => faults.chance(0.1));
      for (let i = 0; i < 12; i++) {
        drift.round();
        drift.check();
      }
      assert.ok(memory.refused > 0 && drift.thrown > 0 && drift.drained > 0);
      drift.finish();
    }
  });
});
