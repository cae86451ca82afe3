/** A pool and its model, driven side by side and compared after each operation. */

import assert from "node:assert/strict";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import type { PageMemory } from "../../../src/memory/index.ts";
import type { AllocRefusal, Pool, PoolSnapshot } from "../../../src/pool/index.ts";
import { FORGED_HANDLES } from "../../contracts/pool/forged.ts";
import { isCode } from "../../support/is-code.ts";
import { BAD_SIZES, type Ending, type RunPlan, type SideAct, type Step } from "./steps.ts";
import { type ModelCounters, ZbudModel } from "./zbud-model.ts";

/** How deep handlers may start further reclaims. */
const DEPTH_MAX = 3;
/** How many freed handles are kept to be misused later. */
const FREED_MAX = 64;

/** One live object, as a model of any driver sees it. */
export interface ModelObject {
  readonly size: number;
  /** Bytes from the start of its page. */
  readonly offset: number;
  readonly page: ModelPage;
}

/** One page, as a model of any driver sees it. */
export interface ModelPage {
  readonly serial: number;
}

/** A driver's algorithm once more, written for reading; see ZbudModel. */
export interface Model {
  readonly pageSize: number;
  /** Bytes of a chunk or slot. */
  readonly chunkSize: number;
  readonly maxObjectBytes: number;
  readonly pageCount: number;
  readonly counters: ModelCounters;
  needsPage(size: number): boolean;
  alloc(size: number): ModelObject | AllocRefusal | "EINVAL";
  refuse(why: AllocRefusal): AllocRefusal;
  free(object: ModelObject): void;
  reclaim(retries: number): Generator<ModelObject, string, boolean>;
  isInUse(page: ModelPage): boolean;
  /** Chunks of the gaps that the pages are listed by. */
  gaps(): number[];
  /** Fails unless a snapshot shows what the model has. */
  compare(snapshot: PoolSnapshot, pageOf: ReadonlyMap<ModelPage, number>): void;
}

/** What a run drives: a pool, and what it must do. */
export interface Sides {
  pool: (plan: RunPlan, onEvict: EvictHandler | undefined, memory: PageMemory | undefined) => Pool;
  model: (plan: RunPlan) => Model;
}

type EvictHandler = (handle: Handle, pool: Pool) => boolean;

/** zbud's. */
export const ZBUD: Sides = {
  pool: ({ pageSize, chunkOrder, maxPages, shared }, onEvict, memory) =>
    new ZbudPool({ pageSize, chunkOrder, maxPages, shared, onEvict }, memory === undefined ? {} : { memory }),
  model: (plan) => new ZbudModel(plan),
};

interface Live {
  handle: Handle;
  object: ModelObject;
  /** The view that `map` gave at the time of alloc: nothing moves, so it stays right until the free. */
  view: Uint8Array;
  head: Uint8Array;
  tail: Uint8Array;
  fill: number;
}

interface Reclaim {
  steps: Generator<ModelObject, string, boolean>;
  next: IteratorResult<ModelObject, string>;
}

/** Thrown by handlers of a run; what a reclaim throws must be this very value. */
class HandlerError extends Error {}

export class Lockstep {
  readonly pool: Pool;
  readonly model: Model;
  /** Calls of alloc, free and reclaim, those of handlers included. */
  operations = 0;
  readonly #plan: RunPlan;
  readonly #memory: { readonly refused: number } | undefined;
  readonly #live: Live[] = [];
  readonly #byHandle = new Map<number, Live>();
  readonly #freed: Handle[] = [];
  /** Pool page of each model page in use. */
  readonly #pageOf = new Map<ModelPage, number>();
  readonly #reclaims: Reclaim[] = [];
  #prng = new Prng(1);
  #fill = 0;

  /**
   * @param memory - where the pool's pages come from; it counts its refusals. Default: the pool's own.
   * @param sides - of which driver.
   */
  constructor(plan: RunPlan, memory?: PageMemory & { readonly refused: number }, sides: Sides = ZBUD) {
    this.#memory = memory;
    this.#plan = plan;
    this.model = sides.model(plan);
    const onEvict: EvictHandler = (handle, pool) => this.#evict(handle, pool);
    this.pool = sides.pool(plan, plan.evicts ? onEvict : undefined, memory);
  }

  /** Does one operation on both sides, then compares everything. */
  step(step: Step): void {
    this.#prng = new Prng(step.y);
    this.#act(step);
    this.check();
  }

  /** Frees everything, closes, and checks that the books balance. */
  finish(): void {
    while (this.#live.length > 0) this.#free(this.#live[this.#live.length - 1]);
    this.check();
    assert.equal(this.pool.pageCount, 0, "every object was freed, so no page is in use");
    this.pool.close();
    assert.throws(() => this.pool.alloc(1), isCode("ECLOSED"));
  }

  /** Compares all that can be seen of the pool with the model. */
  check(): void {
    const { pool, model } = this;
    verify(pool);
    assert.equal(pool.pageCount, model.pageCount, "pageCount");
    const pages = new Map<number, ModelPage>();
    const histogram = new Array<number>(64).fill(0);
    let bytes = 0;
    for (const live of this.#live) {
      const { object } = live;
      const place = pool.inspect(live.handle);
      if (place.offset !== object.offset || place.size !== object.size) {
        assert.fail(`object ${live.handle} is at ${JSON.stringify(place)}, not ${describe(object)}`);
      }
      const owner = pages.get(place.page);
      if (owner !== undefined && owner !== object.page) assert.fail(`two pages are page ${place.page}`);
      if (this.#pageOf.get(object.page) !== place.page) assert.fail(`object ${live.handle} changed its page`);
      pages.set(place.page, object.page);
      assertFilled(live);
      bytes += object.size;
      histogram[Math.ceil((object.size * 64) / model.pageSize) - 1]++;
    }
    model.compare(snapshot(pool), this.#pageOf);
    const stats = pool.stats();
    assert.equal(stats.objects, this.#live.length, "stats().objects");
    assert.equal(stats.objectBytes, bytes, "stats().objectBytes");
    assert.equal(stats.pages, model.pageCount, "stats().pages");
    const { counters } = model;
    assert.equal(stats.pagesReclaimed, counters.pagesReclaimed, "stats().pagesReclaimed");
    assert.equal(stats.objectsEvicted, counters.objectsEvicted, "stats().objectsEvicted");
    assert.equal(stats.evictionsRefused, counters.evictionsRefused, "stats().evictionsRefused");
    assert.equal(stats.allocsRefused.ENOSPC, counters.allocsRefused.ENOSPC, "stats().allocsRefused.ENOSPC");
    assert.equal(stats.allocsRefused.ENOMEM, counters.allocsRefused.ENOMEM, "stats().allocsRefused.ENOMEM");
    for (let i = 0; i < 64; i++) {
      if (stats.sizeHistogram[i] !== histogram[i]) assert.fail(`stats().sizeHistogram[${i}]`);
    }
  }

  #act({ kind, x }: Step): void {
    const live = this.#live[x % Math.max(1, this.#live.length)];
    if (kind === "alloc") this.#alloc(this.#sizeOf(x));
    else if (kind === "allocBad") this.#allocBad(x);
    else if (kind === "misuse") this.#misuse(x);
    else if (kind === "reclaim") this.#reclaim(x % 11);
    else if (kind === "trim") assert.ok(this.pool.trim() >= 0);
    else if (live === undefined) return;
    else if (kind === "free") this.#free(live);
    else if (kind === "rewrite") this.#rewrite(live, (x >>> 16) & 1);
    else this.#remap(live);
  }

  #alloc(size: number): void {
    this.operations++;
    const refusedBefore = this.#memory?.refused;
    const result = this.pool.alloc(size);
    const isStarved = this.#memory?.refused !== refusedBefore && this.model.needsPage(size);
    const expected = isStarved ? this.model.refuse("ENOMEM") : this.model.alloc(size);
    if (typeof expected === "string" || typeof result === "string") {
      assert.equal(result, expected, `alloc(${size})`);
      return;
    }
    assert.ok(
      Number.isInteger(result) && result > 0 && result <= Number.MAX_SAFE_INTEGER,
      `handle ${result}`,
    );
    assert.ok(!this.#byHandle.has(result), `handle ${result} names two objects`);
    const place = this.pool.inspect(result);
    const known = this.#pageOf.get(expected.page);
    if (known === undefined) {
      for (const [page, index] of this.#pageOf) {
        if (!this.model.isInUse(page)) this.#pageOf.delete(page);
        else if (index === place.page) assert.fail(`page ${index} is in use, and was taken again`);
      }
      this.#pageOf.set(expected.page, place.page);
    } else {
      assert.equal(place.page, known, `alloc(${size}) chose the wrong page`);
    }
    const view = this.pool.map(result);
    assert.equal(view.length, size, "map gives exactly the object's bytes");
    this.#fill = (this.#fill % 255) + 1;
    view.fill(this.#fill);
    const live = { handle: result, object: expected, view, fill: this.#fill };
    const full = { ...live, head: view.subarray(1), tail: view.subarray(0, size - 1) };
    this.#live.push(full);
    this.#byHandle.set(result, full);
  }

  #allocBad(x: number): void {
    this.operations++;
    const { maxObjectBytes } = this.model;
    const tooBig = [1, 64, 2 ** 31, 2 ** 32, 2 ** 32 + 64, 2 ** 52].map((more) => maxObjectBytes + more);
    const at = x % (BAD_SIZES.length + tooBig.length);
    if (at >= BAD_SIZES.length) this.#alloc(tooBig[at - BAD_SIZES.length]);
    else assert.throws(() => this.pool.alloc(BAD_SIZES[at] as number), isCode("EINVAL"));
  }

  #free(live: Live): void {
    this.operations++;
    assertFilled(live);
    this.model.free(live.object);
    this.pool.free(live.handle);
    live.view.fill(0xdb);
    this.#live.splice(this.#live.indexOf(live), 1);
    this.#byHandle.delete(live.handle);
    this.#freed.push(live.handle);
    if (this.#freed.length > FREED_MAX) this.#freed.splice(this.#freed.length % 7, 1);
  }

  #misuse(x: number): void {
    const freed = this.#freed.filter((handle) => !this.#byHandle.has(handle));
    const useFreed = freed.length > 0 && (x & 3) !== 0;
    const handle = (useFreed ? freed[(x >>> 8) % freed.length] : pickForged(x, this.#byHandle)) as Handle;
    const { pool } = this;
    const calls = [
      () => pool.free(handle),
      () => pool.map(handle),
      () => pool.unmap(handle),
      () => pool.inspect(handle),
      () => pool.sizeOf(handle),
      () => pool.read(handle, new Uint8Array(8)),
      () => pool.write(handle, new Uint8Array(1)),
    ];
    assert.throws(calls[(x >>> 2) % calls.length], isCode("EBADF"), `misuse of ${String(handle)}`);
  }

  #rewrite(live: Live, byWrite: number): void {
    assertFilled(live);
    this.#fill = (this.#fill % 255) + 1;
    live.fill = this.#fill;
    if (byWrite === 1) {
      this.pool.write(live.handle, new Uint8Array(live.object.size).fill(live.fill));
      const copy = new Uint8Array(live.object.size);
      assert.equal(this.pool.read(live.handle, copy), live.object.size);
      assert.ok(copy.every((byte) => byte === live.fill));
    } else {
      live.view.fill(live.fill);
    }
  }

  #remap(live: Live): void {
    const view = this.pool.map(live.handle);
    assert.equal(view.byteOffset, live.view.byteOffset, "an object does not move");
    assert.equal(view.length, live.view.length);
    assert.equal(view.buffer, live.view.buffer, "an object does not move to another buffer");
    this.pool.unmap(live.handle);
  }

  #reclaim(retries: number): void {
    this.operations++;
    const tries = retries === 10 ? undefined : retries;
    const steps = this.model.reclaim(tries ?? 8);
    const reclaim = { steps, next: steps.next() };
    this.#reclaims.push(reclaim);
    let result: string;
    try {
      result = this.pool.reclaimPage(tries);
    } catch (error) {
      if (!(error instanceof HandlerError)) throw error;
      assert.ok(reclaim.next.done, "the reclaim ended with the handler's error");
      assert.equal(reclaim.next.value, error.message, "the error is the handler's own");
      return;
    } finally {
      this.#reclaims.pop();
    }
    assert.ok(reclaim.next.done, `the reclaim ended, but ${describe(reclaim.next.value)} had to be offered`);
    assert.equal(result, reclaim.next.value, `reclaimPage(${tries})`);
  }

  #evict(handle: Handle, pool: Pool): boolean {
    assert.equal(pool, this.pool, "the handler gets the pool");
    const reclaim = this.#reclaims[this.#reclaims.length - 1];
    assert.ok(!reclaim.next.done, `the handler was called for ${handle}, but the reclaim should have ended`);
    const expected = reclaim.next.value;
    const live = this.#byHandle.get(handle);
    if (live?.object !== expected) assert.fail(`eviction of ${handle}, not of ${describe(expected)}`);
    this.check();
    const ending = this.#choose(this.#plan.endings);
    this.#sideAct(this.#choose(this.#plan.sideActs), expected);
    if (ending !== "reject" && ending !== "lie" && ending !== "throw") {
      if (this.#byHandle.has(handle)) this.#free(live);
      else assert.throws(() => pool.free(handle), isCode("EBADF"));
    }
    this.#sideAct(this.#choose(this.#plan.sideActs), expected);
    this.check();
    return this.#end(reclaim, ending);
  }

  #end(reclaim: Reclaim, ending: Ending): boolean {
    if (ending === "throw" || ending === "freeThenThrow") {
      const error = new HandlerError(`a handler's own error, operation ${this.operations}`);
      assert.throws(() => reclaim.steps.throw(error), HandlerError);
      reclaim.next = { done: true, value: error.message };
      throw error;
    }
    const evicted = ending === "succeed" || ending === "lie";
    reclaim.next = reclaim.steps.next(evicted);
    return evicted;
  }

  #sideAct(act: SideAct, evicting: ModelObject): void {
    const others = this.#live.filter((live) => live.object.page !== evicting.page);
    if (act === "freeOther" && others.length > 0) this.#free(this.#choose(others));
    if (act === "freeBuddy") {
      const buddy = this.#live.find((live) => live.object.page === evicting.page && live.object !== evicting);
      if (buddy !== undefined) this.#free(buddy);
    }
    if (act === "alloc") this.#alloc(this.#sizeOf(this.#prng.uint32()));
    if (act === "misuse") this.#misuse(this.#prng.uint32());
    if (act === "reclaim" && this.#reclaims.length < DEPTH_MAX) {
      try {
        this.#reclaim(this.#prng.below(11));
      } catch (error) {
        if (!(error instanceof HandlerError)) throw error;
      }
    }
  }

  #choose<T>(from: readonly T[]): T {
    return from[this.#prng.below(from.length)];
  }

  /** A size from 1 to one above the largest object, by the plan's profile. */
  #sizeOf(x: number): number {
    const { chunkSize, maxObjectBytes: most } = this.model;
    const random = (x >>> 4) % most;
    const wobble = (x % 3) - 1;
    switch (this.#plan.sizes) {
      case "uniform":
        return 1 + random;
      case "small":
        return 1 + (random % Math.max(1, most >>> 4));
      case "large":
        return most - (random % Math.max(1, most >>> 3));
      case "edges":
        return clamp(
          [1, chunkSize, 2 * chunkSize, most >>> 1, most - chunkSize, most][(x >>> 4) % 6] + wobble,
          most,
        );
      case "pairs":
        return clamp(chunkSize * (1 + (random % (most / chunkSize))) + wobble, most);
      case "fit": {
        const gaps = this.model.gaps();
        if (gaps.length === 0) return 1 + random;
        return clamp(gaps[(x >>> 4) % gaps.length] * chunkSize + wobble, most);
      }
    }
  }
}

function clamp(size: number, most: number): number {
  return Math.min(Math.max(size, 1), most + 1);
}

function pickForged(x: number, live: Map<number, Live>): unknown {
  const at = (x >>> 8) % FORGED_HANDLES.length;
  const forged = FORGED_HANDLES[at];
  return typeof forged === "number" && live.has(forged) ? 0 : forged;
}

function assertFilled(live: Live): void {
  const { view, fill } = live;
  if (view.length !== live.object.size) assert.fail(`the view of ${live.handle} changed its length`);
  if (view[0] !== fill || view[view.length - 1] !== fill || Buffer.compare(live.head, live.tail) !== 0) {
    assert.fail(`the bytes of object ${live.handle} (${describe(live.object)}) were overwritten`);
  }
}

function describe(object: ModelObject | string): string {
  if (typeof object === "string") return object;
  return `{ page #${object.page.serial}, offset ${object.offset}, size ${object.size} }`;
}
