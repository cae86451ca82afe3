/**
 * What every zpool driver must do. A driver's own test file is one call of {@link zpoolContract} with the
 * facts that differ between drivers, plus what is special to it.
 */

import { describe } from "node:test";
import { createZpool, type Zpool } from "../../src/zpool/index.ts";
import type { PoolMaker, ZpoolFacts } from "./zpool/facts.ts";
import { memoryContract } from "./zpool/memory.ts";
import { misuseContract } from "./zpool/misuse.ts";
import { modelContract } from "./zpool/model.ts";
import { objectContract } from "./zpool/objects.ts";
import { reclaimContract } from "./zpool/reclaim.ts";
import { registryContract } from "./zpool/registry.ts";

export type { ZpoolFacts } from "./zpool/facts.ts";

/** Runs the whole suite over one driver. `make` builds a pool of it; by default through the registry. */
export function zpoolContract(
  facts: ZpoolFacts,
  make: PoolMaker = (options) => createZpool(facts.type, options),
): void {
  describe(`zpool contract: ${facts.type}`, () => {
    registryContract(facts, make);
    objectContract(facts, make);
    memoryContract(facts, make);
    reclaimContract(facts, make);
    misuseContract(facts, make);
    modelContract(facts, make);
  });
}

export type { PoolMaker, Zpool };
