import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, ZbudError } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { createPool, fitPageSize, ZbudPool } from "../../../src/drivers/index.ts";
import {
  createZpool,
  hasZpoolDriver,
  registerZpoolDriver,
  unregisterZpoolDriver,
} from "../../../src/entry/zpool.ts";
import { isCode } from "../../support/is-code.ts";

describe("handles of other pools", () => {
  it("are refused by each of 300 open pools, whose places all have the same history", () => {
    const pools = Array.from({ length: 300 }, () => new ZbudPool({ maxPages: 4 }));
    const handles = pools.map((pool) => pool.alloc(100) as Handle);
    assert.equal(new Set(handles).size, pools.length);
    for (const [i, pool] of pools.entries()) {
      for (const [j, handle] of handles.entries()) {
        if (i !== j) assert.throws(() => pool.free(handle), isCode("EBADF"));
      }
      verify(pool);
      assert.equal(pool.stats().objects, 1);
    }
    for (const pool of pools) pool.close();
  });

  it("are refused whatever was made, or failed to be made, in between", () => {
    const before = new ZbudPool({ maxPages: 4 });
    const handle = before.alloc(100) as Handle;
    for (let i = 0; i < 70; i++) {
      fitPageSize([100, 200, 300]);
      assert.throws(
        () => new ZbudPool({ maxPages: 2 ** 24, pageSize: 2 ** 20, chunkOrder: 11 }),
        isCode("EINVAL"),
      );
    }
    const after = new ZbudPool({ maxPages: 4 });
    after.alloc(100);
    assert.throws(() => after.free(handle), isCode("EBADF"));
    before.close();
    after.close();
  });

  it("stay refused after a page was trimmed and taken again", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    const handle = pool.alloc(100) as Handle;
    pool.free(handle);
    pool.trim();
    pool.alloc(100);
    assert.throws(() => pool.free(handle), isCode("EBADF"));
    pool.close();
  });
});

describe("handlers that reclaim until the stack overflows", () => {
  it("leave no page behind", () => {
    const pool: ZbudPool = new ZbudPool({
      maxPages: 20_000,
      onEvict(handle, pool) {
        pool.reclaimPage();
        pool.free(handle);
        return true;
      },
    });
    for (let i = 0; i < 20_000; i++) assert.equal(typeof pool.alloc(3900), "number");
    assert.throws(() => pool.reclaimPage(), RangeError);
    verify(pool);
    for (const { first } of snapshot(pool).pages) if (first !== null) pool.free(first.handle);
    verify(pool);
    assert.equal(pool.pageCount, 0);
    pool.close();
  });
});

describe("observers", () => {
  it("must have functions", () => {
    const pool = new ZbudPool({ maxPages: 4 });
    for (const bad of [undefined, null, 7, "onAlloc", { onAlloc: 5 }, () => {}]) {
      assert.throws(() => pool.observe(bad as never), isCode("EINVAL"));
    }
    assert.equal(typeof pool.alloc(100), "number");
    pool.close();
  });
});

describe("a pool whose buffer was transferred away through a view", () => {
  it("says so, and can be closed", () => {
    const pool = createPool("zbud", { maxPages: 4 });
    const handle = pool.alloc(100) as Handle;
    const view = pool.map(handle);
    structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
    assert.throws(() => pool.map(handle), isCode("EINVAL", "transferred"));
    assert.throws(() => pool.read(handle, new Uint8Array(100)), isCode("EINVAL"));
    verify(pool);
    pool.close();
    assert.throws(() => pool.alloc(1), isCode("ECLOSED"));
  });
});

describe("bytes", () => {
  it("are refused if they only look like a Uint8Array, and taken from another realm", async () => {
    const { runInNewContext } = await import("node:vm");
    const pool = createPool("zbud", { maxPages: 4 });
    const handle = pool.alloc(4) as Handle;
    const gone = new Uint8Array(4);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    for (const bad of [
      Object.create(Uint8Array.prototype),
      new Proxy(new Uint8Array(4), {}),
      gone,
      "abcd",
      null,
    ]) {
      assert.throws(() => pool.write(handle, bad as never), isCode("EINVAL"));
      assert.throws(() => pool.read(handle, bad as never), isCode("EINVAL"));
    }
    pool.write(handle, runInNewContext("new Uint8Array([1, 2, 3, 4])"));
    assert.deepEqual([...pool.map(handle)], [1, 2, 3, 4]);
    assert.throws(() => pool.map(handle, "w" as never), isCode("EINVAL", '"w"'));
    pool.close();
  });
});

describe("drivers that misbehave", () => {
  it("are named, and do not stay busy", () => {
    const type = "test-empty";
    const nothing = (): never => undefined as never;
    assert.throws(
      () => registerZpoolDriver({ type, create: nothing, attach: nothing, footprint: nothing } as never),
      isCode("EINVAL", "canReclaim"),
    );
    registerZpoolDriver({ type, canReclaim: true, create: nothing, attach: nothing, footprint: nothing });
    assert.throws(() => createZpool(type, { maxPages: 1 }), isCode("EINVAL", type));
    unregisterZpoolDriver(type);
    assert.ok(!hasZpoolDriver(type));
  });

  it("count as closed even if their close throws", () => {
    const type = "test-throwing";
    registerZpoolDriver({
      type,
      canReclaim: true,
      create: (options) => {
        const pool = new ZbudPool(options);
        pool.close = () => {
          throw new ZbudError("EBUSY", "the device is busy; close it later");
        };
        return pool;
      },
      attach: () => assert.fail("not shared"),
      footprint: () => ({ fixedBytes: 0, pageBytes: 0 }),
    });
    assert.throws(() => createZpool(type, { maxPages: 1 }).close(), isCode("EBUSY"));
    unregisterZpoolDriver(type);
  });
});
