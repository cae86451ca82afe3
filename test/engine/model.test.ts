import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  logDriver,
  sizeClassesDriver,
  slotsDriver,
  zbudDriver,
  zsmallocDriver,
} from "../../src/drivers/index.ts";
import { CAN_SHARE } from "../contracts/sharing.ts";
import { runModel } from "./engine-model.ts";

describe("the engine against a Map", () => {
  const base = { seed: 1, steps: 4000, names: 80, maxBytes: 6000 };
  const small = { maxBytes: 260_000, averageBytes: 1000, driver: zbudDriver };
  for (const driver of [zbudDriver, slotsDriver, zsmallocDriver, sizeClassesDriver, logDriver]) {
    const { type } = driver;
    it(`${type}: at its limit`, () => {
      const { hits, evicted } = runModel({ ...base, engine: { ...small, driver } });
      assert.ok(hits > 300 && evicted > 100, `${hits} hits, ${evicted} evicted`);
    });
    it(`${type}: by page`, () => {
      // Whole pages make room at once, so fewer evictions are needed than in order of access: less memory.
      const engine = { ...small, maxBytes: 170_000, driver, evict: "page" } as const;
      const { evicted } = runModel({ ...base, seed: 2, engine });
      assert.ok(evicted > 50, `${evicted} evicted`);
    });
    it(`${type}: values that take many objects`, () => {
      runModel({ ...base, seed: 3, steps: 1500, maxBytes: 60_000, engine: { ...small, driver } });
    });
    it(`${type}: several shards, prefixes, expiry, shared`, () => {
      const engine = {
        maxBytes: 1_200_000,
        driver,
        shards: 4,
        shared: CAN_SHARE,
        expiry: true,
        averageBytes: 500,
      };
      runModel({ ...base, seed: 4, names: 200, prefixBytes: 20, engine });
    });
  }
  for (const [seed, more] of [
    [7, {}],
    [8, { shards: 4, shared: CAN_SHARE, maxBytes: 1_200_000 }],
    [9, { shared: false, maxEntries: 40 }],
  ] as const) {
    it(`by SIEVE, ${JSON.stringify(more)}`, () => {
      const engine = { ...small, expiry: true, evict: "sieve" as const, ...more };
      const { hits, evicted } = runModel({ ...base, seed, names: 100, engine });
      assert.ok(hits > 200 && evicted > 50, `${hits} hits, ${evicted} evicted`);
    });
  }
  it("incompressible values refused, few entries", () => {
    runModel({ ...base, seed: 5, engine: { ...small, incompressible: "reject", maxEntries: 10 } });
  });
  it("prefixes as long as a page", () => {
    runModel({ ...base, seed: 6, steps: 1500, prefixBytes: 5000, engine: { ...small, expiry: true } });
  });
});
