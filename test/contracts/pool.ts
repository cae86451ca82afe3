/**
 * What every zpool driver must do. A driver's own test file is one call of {@link poolContract} with the
 * facts that differ between drivers, plus what is special to it.
 */

import { describe } from "node:test";
import { createPool } from "../../src/drivers/index.ts";
import type { Pool } from "../../src/pool/index.ts";
import type { PoolFacts, PoolMaker } from "./pool/facts.ts";
import { memoryContract } from "./pool/memory.ts";
import { misuseContract } from "./pool/misuse.ts";
import { modelContract } from "./pool/model.ts";
import { objectContract } from "./pool/objects.ts";
import { reclaimContract } from "./pool/reclaim.ts";
import { registryContract } from "./pool/registry.ts";

export type { PoolFacts } from "./pool/facts.ts";

/** Runs the whole suite over one driver. `make` builds a pool of it; by default through the registry. */
export function poolContract(
  facts: PoolFacts,
  make: PoolMaker = (options) => createPool(facts.type, options),
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

export type { Pool, PoolMaker };
