/** Pools of gibibytes: page bytes past 2^32, without touching what lies before them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import { SHARING } from "../../contracts/sharing.ts";
import { assertFill, finish, take } from "../../support/objects.ts";

const PAGE_SIZE = 2 ** 20;
const PAGES = 8192;

describe("a pool of 8 GiB", () => {
  for (const shared of SHARING) {
    it(`holds objects on both sides of 2^31 and 2^32 bytes (shared: ${shared})`, () => {
      const pool = new ZbudPool({ maxPages: PAGES, pageSize: PAGE_SIZE, shared });
      const large = PAGE_SIZE - 2 * (PAGE_SIZE / 64);
      const handles: Handle[] = [];
      for (let page = 0; page < PAGES; page++) handles.push(take(pool, large));
      assert.equal(pool.alloc(large), "ENOMEM");
      const marked = [0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 8190, 8191];
      for (const [i, page] of marked.entries()) {
        const small = take(pool, 100);
        handles.push(small);
        pool.map(small).fill(100 + i);
        const view = pool.map(handles[page]);
        assert.equal(pool.inspect(handles[page]).page, page);
        assert.equal(view.byteOffset, page * PAGE_SIZE + PAGE_SIZE / 64);
        view.subarray(0, 64).fill(i + 1);
        view.subarray(-64).fill(i + 1);
      }
      for (const [i, page] of marked.entries()) {
        const view = pool.map(handles[page]);
        assert.ok(
          view.subarray(0, 64).every((byte) => byte === i + 1),
          `page ${page} was overwritten`,
        );
        assert.ok(
          view.subarray(-64).every((byte) => byte === i + 1),
          `page ${page} was overwritten at its end`,
        );
        assertFill(pool, handles[PAGES + i], 100 + i);
      }
      assert.ok(pool.map(handles[8191]).byteOffset > 2 ** 32);
      finish(pool, handles);
    });
  }

  it("reclaims, trims and refills past 2^32 bytes", () => {
    const pool = new ZbudPool({
      maxPages: PAGES,
      pageSize: PAGE_SIZE,
      onEvict: (handle, given) => {
        given.free(handle);
        return true;
      },
    });
    for (let page = 0; page < 6000; page++) take(pool, 900_000);
    for (let i = 0; i < 1500; i++) assert.equal(pool.reclaimPage(), "ok");
    assert.equal(pool.pageCount, 4500);
    pool.trim();
    for (let page = 0; page < 3692; page++) take(pool, 900_000);
    assert.equal(pool.pageCount, PAGES);
    assert.equal(pool.alloc(900_000), "ENOMEM");
    const { pages } = snapshot(pool);
    for (const { first } of pages.slice(-100)) if (first !== null) pool.free(first.handle);
    assert.ok(pool.trim() >= 100 * PAGE_SIZE, "the last 100 pages, past 2^32 bytes, are given back");
    verify(pool);
    for (let i = 0; i < PAGES - 100; i++) assert.equal(pool.reclaimPage(), "ok");
    finish(pool);
  });

  it("has page indices past 2^20", () => {
    const pool = new ZbudPool({ maxPages: 2 ** 21 });
    const handles = new Float64Array(2 ** 20 + 16);
    for (let i = 0; i < handles.length; i++) handles[i] = pool.alloc(3000) as number;
    const last = handles[handles.length - 1] as Handle;
    assert.equal(pool.inspect(last).page, 2 ** 20 + 15);
    assert.ok(pool.map(last).byteOffset > 2 ** 32);
    pool.map(last).fill(5);
    assert.equal(pool.map(handles[0] as Handle)[0], 0, "the first page was not touched");
    assertFill(pool, last, 5);
    verify(pool);
    for (const handle of handles) pool.free(handle as Handle);
    finish(pool);
  });
});
