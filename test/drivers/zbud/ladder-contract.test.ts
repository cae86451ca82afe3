/** The zpool contract, on ladders: with one page size, and with several of which the largest is the one asked for. */

import { describe } from "node:test";
import { createZpool, type Zpool } from "../../../src/zpool/index.ts";
import type { TestPoolOptions, ZpoolFacts } from "../../contracts/zpool/facts.ts";
import { memoryContract } from "../../contracts/zpool/memory.ts";
import { misuseContract } from "../../contracts/zpool/misuse.ts";
import { modelContract } from "../../contracts/zpool/model.ts";
import { objectContract } from "../../contracts/zpool/objects.ts";
import { reclaimContract } from "../../contracts/zpool/reclaim.ts";
import "../../../src/drivers/index.ts";

const FACTS: ZpoolFacts = {
  type: "zbud",
  canReclaim: true,
  objectBytesMax: (pageSize) => pageSize - (2 * pageSize) / 64,
  objectsPerPageMax: 2,
  evictionsPerPageMax: 2,
  mapsInPlace: true,
};

/** A ladder instead of a pool with pages of one size. */
function makerOf(lock: "own" | "caller", isShared: boolean) {
  return ({ maxPages, pageSize = 4096, shared = isShared, onEvict }: TestPoolOptions): Zpool =>
    createZpool("zbud", {
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
