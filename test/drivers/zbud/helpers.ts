/** What the tests of ZbudPool share. */

import assert from "node:assert/strict";
import type { Handle } from "../../../src/base/index.ts";
import type { ZbudPool, ZbudSnapshot } from "../../../src/drivers/zbud/index.ts";
import type { PageMemory } from "../../../src/memory/index.ts";
import type { Pool } from "../../../src/pool/index.ts";

/** Memory that is asked for each single page, and refuses when `refuses` says so. */
export class FaultyMemory implements PageMemory {
  asked = 0;
  refused = 0;
  readonly #inner: PageMemory;
  readonly #refuses: (asked: number) => boolean;

  constructor(inner: PageMemory, refuses: (asked: number) => boolean) {
    this.#inner = inner;
    this.#refuses = refuses;
  }

  get buffer(): ArrayBuffer | SharedArrayBuffer {
    return this.#inner.buffer;
  }

  commit(pageCount: number): number {
    if (this.#refuses(this.asked++)) {
      this.refused++;
      return 0;
    }
    return this.#inner.commit(pageCount) === 0 ? 0 : pageCount;
  }

  trim(pageCount: number): number {
    this.#inner.trim(pageCount);
    return pageCount;
  }

  close(): void {
    this.#inner.close();
  }
}

/** Allocates; a refusal fails the test. */
export function take(pool: ZbudPool, size: number): Handle {
  const handle = pool.alloc(size);
  if (typeof handle === "string") assert.fail(`alloc(${size}) gave ${handle}`);
  return handle;
}

/** Allocates and fills with one byte. */
export function takeFilled(pool: ZbudPool, size: number, fill: number): Handle {
  const handle = take(pool, size);
  pool.map(handle).fill(fill);
  return handle;
}

/** Fails unless every byte of the object is `fill`. */
export function assertFill(pool: ZbudPool, handle: Handle, fill: number): void {
  const view = pool.map(handle);
  assert.ok(
    view.every((byte) => byte === fill),
    `object ${handle} was overwritten`,
  );
}

/** Everything that can be seen of a pool and its objects, bytes included, to be compared with deepEqual. */
export interface FullSnapshot extends ZbudSnapshot {
  bytes: Uint8Array[];
  stats: ReturnType<ZbudPool["stats"]>;
}

export function fullSnapshot(pool: ZbudPool): FullSnapshot {
  pool.verify();
  const snapshot = pool.snapshot();
  const handles = snapshot.pages.flatMap(({ first, last }) => [first, last]);
  const bytes = handles.flatMap((object) => (object === null ? [] : [pool.map(object.handle).slice()]));
  return { ...snapshot, bytes, stats: pool.stats() };
}

/** Frees what is left, checks that the books balance, and closes. */
export function finish(pool: ZbudPool, live: Iterable<Handle> = []): void {
  for (const handle of live) pool.free(handle);
  pool.verify();
  assert.equal(pool.pageCount, 0, "no page is left");
  assert.equal(pool.stats().objects, 0, "no object is left");
  pool.close();
}

/** A handler that evicts. */
export function freeIt(handle: Handle, pool: Pool): boolean {
  pool.free(handle);
  return true;
}
