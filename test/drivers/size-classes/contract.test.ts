/** The contract of pools, on size classes: made by their name as every driver; with one page size, and with several of which the largest is the one asked for. */

import { describe } from "node:test";
import { createPool, registerBuiltIns } from "../../../src/drivers/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import type { PoolFacts, TestPoolOptions } from "../../contracts/pool/facts.ts";
import { memoryContract } from "../../contracts/pool/memory.ts";
import { misuseContract } from "../../contracts/pool/misuse.ts";
import { modelContract } from "../../contracts/pool/model.ts";
import { objectContract } from "../../contracts/pool/objects.ts";
import { reclaimContract } from "../../contracts/pool/reclaim.ts";
import { poolContract } from "../../contracts/pool.ts";

registerBuiltIns();

const FACTS: PoolFacts = {
  type: "size-classes",
  canReclaim: true,
  maxObjectBytes: (pageSize) => pageSize - (2 * pageSize) / 64,
  objectsPerPageMax: 2,
  evictionsPerPageMax: 2,
  mapsInPlace: true,
};

/** A pool of size classes instead of a pool with pages of one size. */
function makerOf(lock: "own" | "caller", isShared: boolean) {
  return ({ maxPages, pageSize = 4096, shared = isShared, onEvict }: TestPoolOptions): Pool =>
    createPool("size-classes", {
      maxBytes: maxPages * pageSize,
      pageSizes: [pageSize],
      shared,
      lock,
      ...(onEvict === undefined ? {} : { onEvict }),
    });
}

poolContract(FACTS);

for (const [name, maker] of Object.entries({
  "a pool of size classes with one page size": makerOf("own", false),
  "shared size classes": makerOf("own", true),
  "shared size classes under its caller's lock": makerOf("caller", true),
})) {
  describe(name, () => {
    for (const contract of [objectContract, memoryContract, reclaimContract, misuseContract, modelContract]) {
      contract(FACTS, maker);
    }
  });
}
