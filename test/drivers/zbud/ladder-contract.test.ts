/** The zpool contract, on ladders: with one page size, and with several of which the largest is the one asked for. */

import { describe } from "node:test";
import { createPool, registerBuiltIns } from "../../../src/drivers/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import type { PoolFacts, TestPoolOptions } from "../../contracts/pool/facts.ts";
import { memoryContract } from "../../contracts/pool/memory.ts";
import { misuseContract } from "../../contracts/pool/misuse.ts";
import { modelContract } from "../../contracts/pool/model.ts";
import { objectContract } from "../../contracts/pool/objects.ts";
import { reclaimContract } from "../../contracts/pool/reclaim.ts";

registerBuiltIns();

const FACTS: PoolFacts = {
  type: "zbud",
  canReclaim: true,
  maxObjectBytes: (pageSize) => pageSize - (2 * pageSize) / 64,
  objectsPerPageMax: 2,
  evictionsPerPageMax: 2,
  mapsInPlace: true,
};

/** A ladder instead of a pool with pages of one size. */
function makerOf(lock: "own" | "caller", isShared: boolean) {
  return ({ maxPages, pageSize = 4096, shared = isShared, onEvict }: TestPoolOptions): Pool =>
    createPool("zbud", {
      maxBytes: maxPages * pageSize,
      pageSizes: [pageSize],
      shared,
      lock,
      ...(onEvict === undefined ? {} : { onEvict }),
    });
}

for (const [name, maker] of Object.entries({
  "a ladder with one page size": makerOf("own", false),
  "a shared ladder": makerOf("own", true),
  "a shared ladder under its caller's lock": makerOf("caller", true),
})) {
  describe(name, () => {
    for (const contract of [objectContract, memoryContract, reclaimContract, misuseContract, modelContract]) {
      contract(FACTS, maker);
    }
  });
}
