import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { driverTypes } from "../../src/pool/index.ts";
import { CAN_SHARE } from "../contracts/sharing.ts";
import { runModel } from "./model.ts";

registerBuiltIns();

suite("the engine against a Map", () => {
  const base = { seed: 1, steps: 4000, names: 80, maxBytes: 6000 };
  const small = { maxBytes: 260_000, averageBytes: 1000 };
  for (const driver of driverTypes()) {
    test(`${driver}: at its limit`, () => {
      const { hits, evicted } = runModel({ ...base, engine: { ...small, driver } });
      assert.ok(hits > 300 && evicted > 100, `${hits} hits, ${evicted} evicted`);
    });
    test(`${driver}: by page`, () => {
      // Whole pages make room at once, so fewer evictions are needed than in order of access: less memory.
      const engine = { ...small, maxBytes: 170_000, driver, order: "page" } as const;
      const { evicted } = runModel({ ...base, seed: 2, engine });
      assert.ok(evicted > 50, `${evicted} evicted`);
    });
    test(`${driver}: values that take many objects`, () => {
      runModel({ ...base, seed: 3, steps: 1500, maxBytes: 60_000, engine: { ...small, driver } });
    });
    test(`${driver}: several shards, prefixes, expiry, shared`, () => {
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
  for (const [seed, policy] of [
    [7, {}],
    [8, { shards: 4, shared: CAN_SHARE, maxBytes: 1_200_000 }],
    [9, { shared: false, maxEntries: 40 }],
  ] as const) {
    test(`by SIEVE, ${JSON.stringify(policy)}`, () => {
      const engine = { ...small, expiry: true, policy: "sieve" as const, ...policy };
      const { hits, evicted } = runModel({ ...base, seed, names: 100, engine });
      assert.ok(hits > 200 && evicted > 50, `${hits} hits, ${evicted} evicted`);
    });
  }
  test("incompressible values refused, few entries", () => {
    runModel({ ...base, seed: 5, engine: { ...small, incompressible: "reject", maxEntries: 10 } });
  });
  test("prefixes as long as a page", () => {
    runModel({ ...base, seed: 6, steps: 1500, prefixBytes: 5000, engine: { ...small, expiry: true } });
  });
});
