/** The registry, with drivers made for the test. */

import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { type Handle, ZbudError } from "../../src/base/index.ts";
import { ZbudPool } from "../../src/drivers/index.ts";
import {
  createZpool,
  hasZpoolDriver,
  registerZpoolDriver,
  unregisterZpoolDriver,
  zpoolTypes,
} from "../../src/entry/zpool.ts";
import type { PoolDriver } from "../../src/pool/index.ts";
import { isCode } from "../support/is-code.ts";

/** A driver under another name, over zbud pools; `canReclaim` as told. */
function driverNamed(type: string, canReclaim = true): PoolDriver {
  return {
    type,
    canReclaim,
    create: ({ onEvict, ...options }) =>
      new ZbudPool({ ...options, ...(canReclaim && onEvict ? { onEvict } : {}) }),
    attach: () => assert.fail("not shared"),
    footprint: () => ({ fixedBytes: 0, pageBytes: 0 }),
  };
}

describe("registry", () => {
  afterEach(() => {
    for (const type of zpoolTypes()) if (type.startsWith("test-")) unregisterZpoolDriver(type);
  });

  it("adds a driver, makes pools of it, and takes it out again", () => {
    assert.ok(!hasZpoolDriver("test-a"));
    registerZpoolDriver(driverNamed("test-a"));
    assert.ok(hasZpoolDriver("test-a"));
    assert.ok(zpoolTypes().includes("test-a") && zpoolTypes().includes("zbud"));
    const pool = createZpool("test-a", { maxPages: 2 });
    assert.equal(pool.type, "test-a");
    pool.close();
    unregisterZpoolDriver("test-a");
    assert.ok(!hasZpoolDriver("test-a"));
    assert.ok(!zpoolTypes().includes("test-a"));
  });

  it("ENOENT for an unknown type, naming the types that exist", () => {
    registerZpoolDriver(driverNamed("test-a"));
    for (const type of ["nothing", "", "ZBUD", "__proto__", "constructor"]) {
      assert.throws(() => createZpool(type, { maxPages: 1 }), isCode("ENOENT", "zbud", "test-a", type));
      assert.throws(() => unregisterZpoolDriver(type), isCode("ENOENT"));
      assert.equal(hasZpoolDriver(type), false);
    }
    for (const type of [undefined, null, 5, {}]) {
      assert.throws(() => createZpool(type as unknown as string, { maxPages: 1 }), ZbudError);
    }
  });

  it("EEXIST for a second driver of a type, and the first stays", () => {
    registerZpoolDriver(driverNamed("test-a", false));
    assert.throws(() => registerZpoolDriver(driverNamed("test-a", true)), isCode("EEXIST", "test-a"));
    const pool = createZpool("test-a", { maxPages: 1, onEvict: () => true });
    assert.equal(pool.evictable, false);
    pool.close();
  });

  it("EBUSY while any pool of the type is open", () => {
    registerZpoolDriver(driverNamed("test-a"));
    registerZpoolDriver(driverNamed("test-b"));
    const pools = [1, 2].map(() => createZpool("test-a", { maxPages: 1 }));
    assert.throws(() => unregisterZpoolDriver("test-a"), isCode("EBUSY", "test-a"));
    pools[0].close();
    pools[0].close();
    assert.throws(
      () => unregisterZpoolDriver("test-a"),
      isCode("EBUSY", "test-a"),
      "a second close does not count",
    );
    unregisterZpoolDriver("test-b");
    pools[1].close();
    unregisterZpoolDriver("test-a");
  });

  it("a pool that could not be made does not keep the driver busy", () => {
    registerZpoolDriver(driverNamed("test-a"));
    assert.throws(() => createZpool("test-a", { maxPages: -1 }), isCode("EINVAL", "maxPages"));
    unregisterZpoolDriver("test-a");
  });

  it("EINVAL for what is no driver", () => {
    for (const driver of [
      undefined,
      null,
      5,
      "zbud",
      {},
      { type: "test-a" },
      { type: 5, create: () => null },
    ]) {
      assert.throws(() => registerZpoolDriver(driver as unknown as PoolDriver), isCode("EINVAL"));
    }
  });

  it("a driver that cannot reclaim answers shrink with EINVAL, and never calls the handler", () => {
    registerZpoolDriver(driverNamed("test-a", false));
    const pool = createZpool("test-a", { maxPages: 4, onEvict: () => assert.fail("it cannot reclaim") });
    const handle = pool.malloc(100) as Handle;
    assert.equal(pool.evictable, false);
    assert.deepEqual(pool.shrink(1), { reclaimed: 0, result: "EINVAL" });
    assert.equal(pool.pool.sizeOf(handle), 100);
    pool.close();
  });
});
