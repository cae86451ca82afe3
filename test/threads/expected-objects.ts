import assert from "node:assert/strict";
import type { Handle } from "../../src/base/index.ts";
import { snapshot, verify } from "../../src/diagnostics/index.ts";
import { handleLayoutOf, type Pool, TAG_BITS } from "../../src/pool/index.ts";

/** Places of a page of the smallest size: no two objects begin within one such part of it. */
const PLACES_PER_PAGE = 64;

/**
 * Who holds what in a shared pool, itself in shared memory: one record for each place that an object can
 * take. A record outlives the thread that wrote it, so what a killed worker held can still be checked byte
 * by byte, and freed.
 *
 * A record is `serial << 16 | owner << 8 | fill`, never 0, where every byte of the object is `fill`. Whoever
 * wants to free or look at an object takes its record away first, in one atomic step: nobody else has the
 * object then. So at any moment each thread has at most one object without a record: the one in its hands.
 */
export class ExpectedObjects {
  readonly buffer: SharedArrayBuffer;
  readonly places: number;
  readonly #records: Int32Array;
  readonly #handles: Float64Array;
  #serial = 0;
  /** What `enter` wrote last. */
  lastRecord = 0;

  /** @param bytes - of the buffer, which may be longer. */
  constructor(buffer: SharedArrayBuffer, bytes: number = buffer.byteLength) {
    this.buffer = buffer;
    this.places = bytes / 12;
    this.#handles = new Float64Array(buffer, 0, this.places);
    this.#records = new Int32Array(buffer, this.places * 8, this.places);
  }

  static make(pool: Pool): ExpectedObjects {
    return new ExpectedObjects(new SharedArrayBuffer(ExpectedObjects.bytesOf(pool.shape.maxPages)));
  }

  static bytesOf(maxPages: number): number {
    return PLACES_PER_PAGE * maxPages * 12;
  }

  /** Fills a new object, and enters it. Gives its place. */
  enter(pool: Pool, handle: Handle, owner: number): number {
    this.#serial = (this.#serial + 1) & 0x7fff;
    const fill = 1 + ((this.#serial * 167 + owner * 29) % 255);
    pool.map(handle).fill(fill);
    pool.unmap(handle);
    const place = placeOf(pool, handle);
    this.#handles[place] = handle;
    this.lastRecord = (this.#serial << 16) | (owner << 8) | fill;
    const before = Atomics.compareExchange(this.#records, place, 0, this.lastRecord);
    if (before !== 0)
      assert.fail(`place ${place} was handed out twice: to ${ownerOf(before)} and to ${owner}`);
    return place;
  }

  /** The record of a place now, or 0. */
  at(place: number): number {
    return Atomics.load(this.#records, place);
  }

  /** Whose handle is at a place. Right only as long as the caller holds its record. */
  handleAt(place: number): Handle {
    return this.#handles[place] as Handle;
  }

  /** Takes a record away. False: somebody was faster. */
  claim(place: number, record: number): boolean {
    return record !== 0 && Atomics.compareExchange(this.#records, place, record, 0) === record;
  }

  /** Puts a record back that was claimed to look at the object. */
  restore(place: number, record: number): void {
    assert.equal(Atomics.compareExchange(this.#records, place, 0, record), 0, `place ${place} is taken`);
  }

  /** Fails unless all bytes of the object whose record the caller has are the ones its owner wrote. */
  check(pool: Pool, handle: Handle, record: number): void {
    const view = pool.map(handle, "ro");
    const fill = record & 0xff;
    const same = Buffer.compare(view.subarray(1), view.subarray(0, view.length - 1)) === 0;
    if (view.length > 0 && view[0] === fill && same) return;
    assert.fail(`object ${handle} of thread ${ownerOf(record)} was overwritten, or its size changed`);
  }

  /** Checks and frees an object whose record the caller has: then nobody else may have freed it. */
  free(pool: Pool, handle: Handle, record: number): void {
    this.check(pool, handle, record);
    pool.free(handle);
  }

  /**
   * Compares pool and records at a moment when no thread is at work: every record's object is there and
   * intact, every page is whole.
   *
   * @param owners - for the message.
   * @returns the objects that have no record: those in the hands of threads that died.
   */
  audit(pool: Pool): Handle[] {
    verify(pool);
    const orphans: Handle[] = [];
    const found = new Set<number>();
    for (const { page, objects, underReclaim } of snapshot(pool).pages) {
      assert.equal(underReclaim, false, `page ${page} is under reclaim, and nobody reclaims`);
      for (const object of objects) {
        const place = placeOf(pool, object.handle);
        found.add(place);
        const record = this.at(place);
        if (record === 0) {
          orphans.push(object.handle);
        } else {
          assert.equal(object.handle, this.handleAt(place), `place ${place} has another object`);
          this.check(pool, object.handle, record);
        }
      }
    }
    for (let place = 0; place < this.places; place++) {
      if (this.at(place) !== 0 && !found.has(place)) {
        assert.fail(`the object ${this.handleAt(place)} of thread ${ownerOf(this.at(place))} is lost`);
      }
    }
    return orphans;
  }

  /** Frees all that is recorded. */
  freeAll(pool: Pool): void {
    for (let place = 0; place < this.places; place++) {
      const record = this.at(place);
      if (this.claim(place, record)) this.free(pool, this.handleAt(place), record);
    }
  }
}

export function ownerOf(record: number): number {
  return (record >>> 8) & 0xff;
}

/**
 * Which of the pool's places an object has: by its first byte, so that no two have one, whatever their handles
 * and the sizes of their pages. Where objects move, the slot of its handle stands for it.
 */
export function placeOf(pool: Pool, handle: Handle): number {
  if (moves(pool)) {
    pool.sizeOf(handle); // EBADF if it was freed
    return slotOf(pool, handle);
  }
  const { maxPages, maxBytes, pageSize } = pool.shape;
  const span = { offset: 0, size: 0, offset2: 0, size2: 0 };
  pool.locate(handle, span);
  const placeBytes = (maxBytes ?? maxPages * pageSize) / maxPages / PLACES_PER_PAGE;
  return Math.floor(span.offset / placeBytes);
}

/** Whether the objects of a pool move. */
function moves(pool: Pool): boolean {
  return pool.type === "zsmalloc" || pool.type === "log";
}

function slotOf(pool: Pool, handle: Handle): number {
  return (handle >>> TAG_BITS) & handleLayoutOf(Number(pool.shape.maxObjects), 0).slotMask;
}

/** Whether a call went through; false for a handle that another thread freed first. */
export function succeeds(call: () => unknown): boolean {
  try {
    call();
    return true;
  } catch (error) {
    // By its code: an instrumented pool has a class of errors of its own.
    if ((error as { code?: string }).code === "EBADF") return false;
    throw error;
  }
}

/**
 * Recovers until no page is under reclaim, at a moment when no living thread reclaims. The system may still
 * list a thread for a moment after it was joined.
 *
 * @returns how many threads were found gone.
 */
export function recoverAll(pool: Pool): number {
  const nap = new Int32Array(new SharedArrayBuffer(4));
  let found = 0;
  for (let tries = 0; tries < 1000; tries++) {
    found += pool.recover();
    if (!snapshot(pool).pages.some(({ underReclaim }) => underReclaim)) break;
    Atomics.wait(nap, 0, 0, 1);
  }
  return found;
}

/**
 * Frees everything that a pool holds, and fails unless it is as good as new: every place of every page can be
 * taken.
 *
 * @param known - handles that were issued before, none of which may be issued again.
 */
export function finishPool(pool: Pool, known: Iterable<Handle> = []): void {
  for (const { objects } of snapshot(pool).pages) for (const { handle } of objects) pool.free(handle);
  verify(pool);
  assert.equal(pool.pageCount, 0, "every object was freed, so no page is in use");
  assert.equal(pool.stats().objects, 0);
  // With pages of several sizes: all memory in the largest, whose gaps take small objects then.
  const { maxPages: pagesMost, maxBytes, pageSize, maxObjects } = pool.shape;
  const maxPages = maxBytes === undefined ? pagesMost : maxBytes / pageSize;
  // What a scenario's caller allowed.
  pool.allowBytes(maxPages * pageSize);
  // In size classes an object needs a row, and a small one a page of its own, of which none is left then.
  const most = moves(pool) ? Math.min(maxPages, Number(maxObjects)) : maxPages;
  // Where they do not move, it leaves room for one that is small.
  const small = moves(pool) ? 0 : pool.pageSize / PLACES_PER_PAGE;
  const large = Math.min(pool.maxObjectBytes, pool.pageSize - small);
  const handles: Handle[] = [];
  for (const [size, total] of [
    [large, most],
    [1, moves(pool) ? most : 2 * maxPages],
  ] as const) {
    for (;;) {
      const handle = pool.alloc(size);
      if (handle === "ENOMEM") break;
      if (handle === "ENOSPC") assert.fail(`${size} bytes do not fit`);
      handles.push(handle);
    }
    assert.equal(handles.length, total, "no page leaked");
  }
  for (const handle of known) assert.ok(!handles.includes(handle), `${handle} was issued a second time`);
  for (const handle of handles) pool.free(handle);
  verify(pool);
}
