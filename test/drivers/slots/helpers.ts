/** What the tests of SlotsPool share. */

import assert from "node:assert/strict";
import type { Handle } from "../../../src/base/index.ts";
import type { SlotsPool } from "../../../src/drivers/slots/index.ts";
import type { PoolSnapshot, PoolStats } from "../../../src/pool/index.ts";

export function take(pool: SlotsPool, size: number): Handle {
  const handle = pool.alloc(size);
  if (typeof handle === "string") assert.fail(`alloc(${size}) gave ${handle}`);
  return handle;
}

/** Allocates and fills with one byte. */
export function takeFilled(pool: SlotsPool, size: number, fill: number): Handle {
  const handle = take(pool, size);
  pool.map(handle).fill(fill);
  return handle;
}

/** Fails unless every byte of the object is `fill`. */
export function assertFill(pool: SlotsPool, handle: Handle, fill: number): void {
  const view = pool.map(handle);
  assert.ok(
    view.every((byte) => byte === fill),
    `object ${handle} was overwritten`,
  );
}

/** Everything that can be seen of a pool and its objects, bytes included, to be compared with deepEqual. */
export interface FullSnapshot extends PoolSnapshot {
  bytes: Uint8Array[];
  stats: PoolStats;
}

export function fullSnapshot(pool: SlotsPool): FullSnapshot {
  pool.verify();
  const snapshot = pool.snapshot();
  const handles = snapshot.pages.flatMap(({ objects }) => objects.map(({ handle }) => handle));
  return { ...snapshot, bytes: handles.map((handle) => pool.map(handle).slice()), stats: pool.stats() };
}

/** Frees what is left, checks that the books balance, and closes. */
export function finish(pool: SlotsPool, live: Iterable<Handle> = []): void {
  for (const handle of live) pool.free(handle);
  pool.verify();
  assert.equal(pool.pageCount, 0, "no page is left");
  assert.equal(pool.stats().objects, 0, "no object is left");
  pool.close();
}

/** A handler that evicts. */
export function freeIt(handle: Handle, pool: SlotsPool): boolean {
  pool.free(handle);
  return true;
}
