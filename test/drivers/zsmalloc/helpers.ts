import assert from "node:assert/strict";
import type { Handle } from "../../../src/base/index.ts";
import type { Pool } from "../../../src/pool/index.ts";

/** Allocates an object whose bytes are all `fill`; a refusal fails the test. */
export function take(pool: Pool, size: number, fill = 1): Handle {
  const handle = pool.alloc(size);
  if (typeof handle === "string") assert.fail(`alloc(${size}) gave ${handle}`);
  pool.write(handle, new Uint8Array(size).fill(fill));
  return handle;
}

/** So many objects of one size, the i-th filled with `i + 1`. */
export function takeMany(pool: Pool, size: number, count: number): Handle[] {
  return Array.from({ length: count }, (_, i) => take(pool, size, (i + 1) & 0xff));
}

/** Fails unless the object is `size` bytes of `fill`. */
export function assertObject(pool: Pool, handle: Handle, size: number, fill: number): void {
  const into = new Uint8Array(size);
  assert.equal(pool.read(handle, into), size);
  assert.ok(
    into.every((byte) => byte === fill),
    `object ${handle} of ${size} bytes is not all ${fill}`,
  );
}

/** Frees what is left, checks that the books balance, and closes. */
export function finish(pool: Pool, live: Iterable<Handle> = []): void {
  for (const handle of live) pool.free(handle);
  pool.verify();
  assert.equal(pool.stats().objects, 0);
  assert.equal(pool.pageCount, 0);
  pool.close();
}

/** Frees every object and says so. */
export function freeIt(handle: Handle, pool: Pool): boolean {
  pool.free(handle);
  return true;
}
