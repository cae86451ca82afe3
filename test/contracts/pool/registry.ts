import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  createZpool,
  hasZpoolDriver,
  registerZpoolDriver,
  unregisterZpoolDriver,
  zpoolTypes,
} from "../../../src/entry/zpool.ts";
import { isCode } from "../../support/is-code.ts";
import { fillUp } from "../../support/objects.ts";
import type { PoolFacts, PoolMaker, TestPoolOptions } from "./facts.ts";

/** The driver is there by importing the package, and its options are checked. */
export function registryContract({ type }: PoolFacts, make: PoolMaker): void {
  describe("registry", () => {
    it("has the driver", () => {
      assert.ok(hasZpoolDriver(type));
      assert.ok(zpoolTypes().includes(type));
      const pool = createZpool(type, { maxPages: 4 });
      assert.equal(pool.type, type);
      pool.close();
    });

    it("refuses a second driver of the type, and keeps the first", () => {
      const wrong = (): never => assert.fail("the wrong driver");
      const second = { type, canReclaim: false, create: wrong, attach: wrong, footprint: wrong };
      assert.throws(() => registerZpoolDriver(second), isCode("EEXIST", type));
      createZpool(type, { maxPages: 4 }).close();
    });

    it("does not let go of the driver while a pool is open", () => {
      const pool = createZpool(type, { maxPages: 4 });
      assert.throws(() => unregisterZpoolDriver(type), isCode("EBUSY", type));
      assert.ok(hasZpoolDriver(type));
      pool.close();
    });

    const bad: Record<string, readonly unknown[]> = {
      maxPages: [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "4", null, undefined, 4n, {}],
      pageSize: [
        0,
        -4096,
        4095,
        100,
        4096.5,
        Number.NaN,
        2 ** 20 + 4096,
        2 ** 32,
        "20%",
        "1 page",
        "1MiB and more",
        null,
        {},
      ],
      maxBytes: [0, -1, 1.5, "some", null, {}],
      // Names are looked at where processes can share memory.
      shared: [1, null, {}, ...(globalThis.process === undefined ? [] : ["", "no name"])],
      giveBack: [1, "yes", null, {}],
      onEvict: [1, true, "evict", {}],
    };
    for (const [name, values] of Object.entries(bad)) {
      it(`names the bad option ${name}`, () => {
        for (const value of values) {
          const limit = name === "maxBytes" ? {} : { maxPages: 4 };
          const options = { ...limit, [name]: value } as TestPoolOptions;
          assert.throws(() => make(options), isCode("EINVAL", name), `${name}: ${String(value)}`);
        }
      });
    }

    it("takes sizes as text", () => {
      const pool = make({ maxBytes: "1MiB", pageSize: "8KiB" } as unknown as TestPoolOptions);
      assert.equal(pool.pageSize, 8192);
      fillUp(pool, pool.maxObjectBytes, 128);
      assert.equal(pool.totalBytes, 2 ** 20);
      pool.close();
    });

    it("wants options", () => {
      for (const options of [undefined, null, 4, "zbud"]) {
        assert.throws(() => make(options as unknown as TestPoolOptions), isCode("EINVAL"));
      }
    });

    it("is not left busy by a pool that could not be made", () => {
      assert.throws(() => make({ maxPages: 0 }), isCode("EINVAL", "maxPages"));
      make({ maxPages: 4 }).close();
    });
  });
}
