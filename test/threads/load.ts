/** The load that stress and kills put on a shared pool: random operations, every object checked. */

import { type Handle, Prng } from "../../src/base/index.ts";
import type { SizeClassPool } from "../../src/drivers/size-classes/index.ts";
import type { Pool, SharedPool } from "../../src/pool/index.ts";
import { ExpectedObjects, ownerOf, placeOf, succeeds } from "./expected-objects.ts";
import { attachPool, type DriverName } from "./pools.ts";

/** What a thread's evict handler does. */
export const EVICT_ACTS = ["free", "reject", "allocate", "mixed", "never"] as const;
export type EvictAct = (typeof EVICT_ACTS)[number];

/** Page sizes that a pool of size classes is given in turn. */
const REFITS: readonly (readonly number[])[] = [[512, 1024], [640, 1024], [768], [1024]];

/** How deep handlers may start further reclaims. */
const DEPTH_MAX = 3;

/** What a load is made of, as it goes to a worker. */
export interface LoadPlan extends LoadKind {
  shared: SharedPool;
  expected: SharedArrayBuffer;
}

/** What a load does. */
export interface LoadKind {
  driver: DriverName;
  owner: number;
  seed: number;
  act: EvictAct;
  /** Objects that one thread wants to hold. */
  liveMax: number;
}

/** What one thread did. */
export interface LoadCounts {
  operations: number;
  allocs: number;
  refused: number;
  frees: number;
  /** Own objects that another thread evicted or took. */
  lost: number;
  evictions: number;
  reclaimed: number;
}

/** What a load opens its pool with. */
export interface LoadPoolOptions {
  onEvict?: (handle: Handle) => boolean;
}

/** The load of a thread, at a pool that another one shared. */
export function loadOf(plan: LoadPlan, inHandler?: () => void): Load {
  const open = (options: LoadPoolOptions): Pool => attachPool(plan.driver, plan.shared, options);
  return new Load(plan, new ExpectedObjects(plan.expected), open, inHandler);
}

/** Random operations of one thread. */
export class Load {
  readonly pool: Pool;
  readonly counts: LoadCounts = {
    operations: 0,
    allocs: 0,
    refused: 0,
    frees: 0,
    lost: 0,
    evictions: 0,
    reclaimed: 0,
  };
  readonly #plan: LoadKind;
  readonly #inHandler: () => void;
  readonly #expected: ExpectedObjects;
  readonly #prng: Prng;
  readonly #maxSize: number;
  // Own objects: places, and the records that were entered there.
  readonly #places: Int32Array;
  readonly #records: Int32Array;
  #live = 0;
  #depth = 0;

  /**
   * @param open - gives the pool.
   * @param inHandler - called at the start of each evict handler, and may end the thread.
   */
  constructor(
    plan: LoadKind,
    expected: ExpectedObjects,
    open: (options: LoadPoolOptions) => Pool,
    inHandler: () => void = () => undefined,
  ) {
    this.#plan = plan;
    this.#inHandler = inHandler;
    this.#expected = expected;
    this.#prng = new Prng(Math.imul(plan.seed, 0x9e3779b1) ^ (plan.owner << 20));
    for (let i = 0; i < 8; i++) this.#prng.uint32();
    this.#places = new Int32Array(plan.liveMax);
    this.#records = new Int32Array(plan.liveMax);
    const onEvict = (handle: Handle): boolean => this.#evict(handle);
    this.pool = open(plan.act === "never" ? {} : { onEvict });
    this.#maxSize = this.pool.maxObjectBytes;
  }

  step(): void {
    const choice = this.#prng.below(32);
    if (choice === 0 && this.#plan.act !== "never") this.#reclaim(1 + this.#prng.below(3));
    else if (choice === 1) this.#takeOver();
    else if (choice === 2) this.#rearrange();
    else if (this.#live === 0 || (this.#live < this.#plan.liveMax && choice < 17)) this.#alloc();
    else this.#freeAt(this.#prng.below(this.#live));
  }

  /** Frees one of this thread's objects. False: it has none. */
  freeOne(): boolean {
    if (this.#live > 0) this.#freeAt(this.#live - 1);
    return this.#live > 0;
  }

  #alloc(): void {
    this.counts.operations++;
    // Mostly small, so that the time goes into the pool; some of every size.
    const range = this.#prng.chance(0.7) ? this.#maxSize >> 3 : this.#maxSize;
    const handle = this.pool.alloc(1 + this.#prng.below(range));
    if (typeof handle === "string") {
      this.counts.refused++;
      if (this.#plan.act !== "never" && this.#depth < DEPTH_MAX && this.#prng.chance(0.5)) this.#reclaim(2);
      else if (this.#live > 0) this.#freeAt(this.#prng.below(this.#live));
      return;
    }
    this.counts.allocs++;
    const place = this.#expected.enter(this.pool, handle, this.#plan.owner);
    // Another thread may have evicted it already: then this record fits no object, and its claim will fail.
    if (this.#live === this.#plan.liveMax) return;
    this.#places[this.#live] = place;
    this.#records[this.#live++] = this.#expected.lastRecord;
  }

  #freeAt(at: number): void {
    const place = this.#places[at];
    const record = this.#records[at];
    this.#live--;
    this.#places[at] = this.#places[this.#live];
    this.#records[at] = this.#records[this.#live];
    if (this.#expected.claim(place, record)) this.#free(place, record);
    else this.counts.lost++;
  }

  /** Frees what somebody else has, or had: threads free one another's objects, and those of the dead. */
  #takeOver(): void {
    const { places } = this.#expected;
    let place = this.#prng.below(places);
    // Few of the places are taken.
    for (let i = 0; i < places && this.#expected.at(place) === 0; i++) place = (place + 1) % places;
    const record = this.#expected.at(place);
    if (ownerOf(record) !== this.#plan.owner && this.#expected.claim(place, record))
      this.#free(place, record);
  }

  #free(place: number, record: number): void {
    this.counts.operations++;
    this.#expected.free(this.pool, this.#expected.handleAt(place), record);
    this.counts.frees++;
  }

  /** What a pool can do for its density: moves objects, or takes pages of other sizes from here on. */
  #rearrange(): void {
    const refitted = this.pool as unknown as Partial<Pick<SizeClassPool, "refit">>;
    if (this.pool.shape.pageSizes === undefined) this.pool.compact(8);
    else refitted.refit?.(REFITS[this.#prng.below(REFITS.length)]);
  }

  #reclaim(retries: number): void {
    this.counts.operations++;
    this.#depth++;
    if (this.pool.reclaimPage(retries) === "ok") this.counts.reclaimed++;
    this.#depth--;
  }

  #evict(handle: Handle): boolean {
    this.#inHandler();
    const act = this.#plan.act === "mixed" ? EVICT_ACTS[this.#prng.below(3)] : this.#plan.act;
    if (act === "reject") return false;
    if (act === "allocate") this.#alloc();
    const place = this.#placeOf(handle);
    if (place < 0) return true; // freed by another thread since it was offered
    const record = this.#expected.at(place);
    // Without a record it is in somebody's hands. With one it is this very object's: its page is under
    // reclaim, so nobody can be given the place meanwhile.
    if (!this.#expected.claim(place, record)) return false;
    // Where objects move, a repair may have given its slot to another group since it was looked at.
    if (this.#expected.handleAt(place) !== handle) {
      this.#expected.restore(place, record);
      return true;
    }
    this.counts.evictions++;
    this.#free(place, record);
    return true;
  }

  #placeOf(handle: Handle): number {
    let place = -1;
    succeeds(() => {
      place = placeOf(this.pool, handle);
    });
    return place;
  }
}
