/** Objects of a pool, of any driver: allocated, filled, compared and freed. */

import assert from "node:assert/strict";
import type { Handle } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import type { Pool } from "../../src/pool/index.ts";

/** Allocates; a refusal fails the test. */
export function take(pool: Pool, size: number): Handle {
  const handle = pool.alloc(size);
  if (typeof handle === "string") assert.fail(`alloc(${size}) gave ${handle}`);
  return handle;
}

/** Allocates an object whose bytes are all `fill`; a refusal fails the test. */
export function put(pool: Pool, size: number, fill = 1): Handle {
  const handle = take(pool, size);
  pool.write(handle, new Uint8Array(size).fill(fill));
  return handle;
}

/** So many objects of one size, the i-th filled with `i + 1`. */
export function putMany(pool: Pool, size: number, count: number): Handle[] {
  return Array.from({ length: count }, (_, i) => put(pool, size, (i + 1) & 0xff));
}

/** Allocates objects of `size` until the pool refuses; the refusal must be ENOMEM. */
export function fillUp(pool: Pool, size: number, most: number): Handle[] {
  const handles: Handle[] = [];
  for (;;) {
    const handle = pool.alloc(size);
    if (typeof handle === "string") {
      assert.equal(handle, "ENOMEM");
      return handles;
    }
    handles.push(handle);
    assert.ok(handles.length <= most, `a pool that never fills: ${handles.length} objects of ${size} bytes`);
  }
}

/** Fails unless every byte of the object is `fill`. */
export function assertFill(pool: Pool, handle: Handle, fill: number): void {
  const view = pool.map(handle);
  assert.ok(
    view.every((byte) => byte === fill),
    `object ${handle} was overwritten`,
  );
}

/** Fails unless the object is `size` bytes of `fill`, as `read` copies them. */
export function assertObject(pool: Pool, handle: Handle, size: number, fill: number): void {
  assert.equal(pool.sizeOf(handle), size);
  const into = new Uint8Array(size);
  assert.equal(pool.read(handle, into), size);
  assert.ok(
    into.every((byte) => byte === fill),
    `the bytes of object ${handle} were overwritten`,
  );
}

/** Frees what is left, checks that the counters agree, and closes. */
export function finish(pool: Pool, live: Iterable<Handle> = []): void {
  for (const handle of live) pool.free(handle);
  verify(pool);
  const stats = pool.stats();
  assert.equal(stats.objects, 0, "no object is left");
  assert.equal(stats.objectBytes, 0);
  assert.equal(pool.pageCount, 0, "no page is left");
  pool.close();
}

/** A handler that evicts. */
export function freeIt(handle: Handle, pool: Pool): boolean {
  pool.free(handle);
  return true;
}
