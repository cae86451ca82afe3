/** What the contract suite has to be told about a driver, and small helpers that its parts share. */

import assert from "node:assert/strict";
import { type Handle, ZbudError } from "../../../src/base/index.ts";
import type { Pool } from "../../../src/pool/index.ts";

/** How one driver differs from another, as far as the contract leaves it open. */
export interface PoolFacts {
  /** The name it is registered under. */
  readonly type: string;
  /** Whether its pools can reclaim. */
  readonly canReclaim: boolean;
  /** The largest object of a pool with pages of `pageSize` bytes and otherwise default options. */
  maxObjectBytes(pageSize: number): number;
  /** The most objects that can share a page of 4096 bytes. */
  readonly objectsPerPageMax: number;
  /** The most evictions that one reclaim tries, whatever the objects' sizes, before it has released a page. */
  readonly evictionsPerPageMax: number;
  /** Whether `map` gives a view of the object itself, valid until it is freed; if not it gives a copy. */
  readonly mapsInPlace: boolean;
}

/** The options that tests give. */
export interface TestPoolOptions {
  maxPages: number;
  pageSize?: number;
  shared?: boolean;
  onEvict?: (handle: Handle, pool: Pool) => boolean;
}

/** Builds a pool of the driver under test. */
export type PoolMaker = (options: TestPoolOptions) => Pool;

/** Tells whether `error` is a {@link ZbudError} with `code`, whose message says more and names `names`. */
export function isCode(code: string, ...names: string[]): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof ZbudError)) throw error;
    assert.equal(error.code, code, error.message);
    assert.ok(error.message.length > code.length + 12, `a message that says what to do: ${error.message}`);
    for (const name of names) assert.ok(error.message.includes(name), `"${name}" is named: ${error.message}`);
    return true;
  };
}

/** Allocates and fills one object; a refusal fails the test. */
export function put(pool: Pool, size: number, fill: number): Handle {
  const handle = pool.alloc(size);
  if (typeof handle === "string") assert.fail(`malloc(${size}) gave ${handle}`);
  pool.write(handle, new Uint8Array(size).fill(fill));
  return handle;
}

/** Fails unless the object is `size` bytes of `fill`. */
export function assertObject(pool: Pool, handle: Handle, size: number, fill: number): void {
  assert.equal(pool.sizeOf(handle), size);
  const into = new Uint8Array(size);
  assert.equal(pool.read(handle, into), size);
  assert.ok(
    into.every((byte) => byte === fill),
    `the bytes of object ${handle} were overwritten`,
  );
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

/** Frees what is left, checks that the books balance, and closes. */
export function finish(pool: Pool, live: Iterable<Handle> = []): void {
  for (const handle of live) pool.free(handle);
  pool.verify();
  const stats = pool.stats();
  assert.equal(stats.objects, 0, "no object is left");
  assert.equal(stats.objectBytes, 0);
  assert.equal(pool.pageCount, 0, "no page is left");
  pool.close();
}
