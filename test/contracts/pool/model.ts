import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import { isCode } from "../../support/is-code.ts";
import { assertObject, finish } from "../../support/objects.ts";
import { CAN_SHARE } from "../sharing.ts";
import type { PoolFacts, PoolMaker } from "./facts.ts";

const STEPS = 600;
const RUNS = 24;

/**
 * Random operations on small pools. The model is a map from handle to the object's size and the byte that
 * fills it; after each step every live object is re-read and `verify()` walks the structure.
 */
export function modelContract(facts: PoolFacts, make: PoolMaker): void {
  describe("random operations", () => {
    it(`agrees with a map from handle to bytes (seeds 1 to ${RUNS}, ${STEPS} steps each)`, () => {
      for (let seed = 1; seed <= RUNS; seed++) {
        let step = 0;
        try {
          const run = new Run(facts, make, seed);
          for (; step < STEPS; step++) run.step();
          run.finish();
        } catch (error) {
          throw new Error(`seed ${seed}, step ${step}: ${(error as Error).message}`, { cause: error });
        }
      }
    });
  });
}

interface Content {
  size: number;
  fill: number;
}

class Run {
  readonly #prng: Prng;
  readonly #pool: Pool;
  readonly #live = new Map<Handle, Content>();
  readonly #most: number;
  readonly #pagesMax: number;
  #freed: Handle | null = null;
  #fill = 0;
  readonly #refused = { ENOSPC: 0, ENOMEM: 0 };

  constructor(facts: PoolFacts, make: PoolMaker, seed: number) {
    this.#prng = new Prng(Math.imul(seed, 0x9e3779b1));
    this.#pagesMax = 1 + this.#prng.below(12);
    const pageSize = [1024, 2048, 4096][this.#prng.below(3)];
    this.#most = facts.maxObjectBytes(pageSize);
    const onEvict = (handle: Handle): boolean => this.#evict(handle);
    this.#pool = make({ maxPages: this.#pagesMax, pageSize, shared: CAN_SHARE && seed % 4 === 0, onEvict });
  }

  step(): void {
    const choice = this.#prng.below(16);
    if (choice < 7) this.#malloc();
    else if (choice < 11) this.#freeOne();
    else if (choice < 13) this.#pool.shrinkPages(this.#prng.below(4));
    else if (choice < 14) this.#rewriteOne();
    else if (choice < 15 && this.#freed !== null && !this.#live.has(this.#freed)) {
      assert.throws(() => this.#pool.free(this.#freed as Handle), isCode("EBADF"));
    } else if (choice === 15) this.#pool.trim();
    this.#check();
  }

  finish(): void {
    finish(this.#pool, this.#live.keys());
  }

  #malloc(): void {
    const edges = [1, 63, 64, 65, this.#most >>> 1, this.#most - 1, this.#most, this.#most + 1];
    const size = this.#prng.chance(0.5)
      ? edges[this.#prng.below(edges.length)]
      : 1 + this.#prng.below(this.#most);
    const handle = this.#pool.alloc(size);
    if (typeof handle === "string") {
      this.#refused[handle]++;
      assert.equal(handle, size > this.#most ? "ENOSPC" : "ENOMEM");
      return;
    }
    assert.ok(!this.#live.has(handle), `handle ${handle} names two objects`);
    this.#fill = (this.#fill + 1) % 256;
    this.#pool.write(handle, new Uint8Array(size).fill(this.#fill));
    this.#live.set(handle, { size, fill: this.#fill });
  }

  #freeOne(): void {
    const handle = this.#pickLive();
    if (handle !== null) this.#free(handle);
  }

  #free(handle: Handle): void {
    this.#pool.free(handle);
    this.#live.delete(handle);
    this.#freed = handle;
  }

  #rewriteOne(): void {
    const handle = this.#pickLive();
    if (handle === null) return;
    const content = this.#live.get(handle) as Content;
    this.#fill = (this.#fill + 1) % 256;
    content.fill = this.#fill;
    this.#pool.map(handle, "rw").fill(content.fill);
    this.#pool.unmap(handle);
  }

  #evict(handle: Handle): boolean {
    const content = this.#live.get(handle);
    if (content === undefined) assert.fail(`${handle} is offered for eviction, but is not live`);
    assertObject(this.#pool, handle, content.size, content.fill);
    const choice = this.#prng.below(8);
    if (choice === 0) return false;
    if (choice === 1) return true;
    if (choice === 2) this.#malloc();
    if (choice === 3) this.#freeOne();
    if (this.#live.has(handle)) this.#free(handle);
    this.#check();
    return choice !== 4;
  }

  #check(): void {
    verify(this.#pool);
    for (const [handle, { size, fill }] of this.#live) assertObject(this.#pool, handle, size, fill);
    const stats = this.#pool.stats();
    let bytes = 0;
    for (const { size } of this.#live.values()) bytes += size;
    assert.equal(stats.objects, this.#live.size);
    assert.equal(stats.objectBytes, bytes);
    assert.deepEqual(stats.allocsRefused, this.#refused);
    assert.ok(stats.pages <= this.#pagesMax);
  }

  #pickLive(): Handle | null {
    if (this.#live.size === 0) return null;
    return [...this.#live.keys()][this.#prng.below(this.#live.size)];
  }
}
