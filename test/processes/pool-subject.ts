/** A pool, as the torture of processes has it. */

import assert from "node:assert/strict";
import { finishPool, recoverAll } from "../threads/expected-objects.ts";
import { expectedOf, openPool } from "./pool-player.ts";
import type { Subject } from "./torture.ts";

/** Deaths until the last look: each may have left one object in nobody's hands. */
let deathsBefore = 0;

export const poolSubject: Subject = {
  open: (plan) => {
    const pool = openPool(plan);
    const expected = expectedOf(plan);
    return {
      audit: (deaths) => {
        recoverAll(pool);
        const orphans = expected.audit(pool);
        const most = deaths - (deaths < deathsBefore ? 0 : deathsBefore);
        assert.ok(orphans.length <= most, `${orphans.length} objects without an owner after ${most} deaths`);
        for (const handle of orphans) pool.free(handle);
        deathsBefore = deaths;
      },
      capacity: () => {
        expected.freeAll(pool);
        finishPool(pool);
        return [];
      },
      close: () => pool.close(),
    };
  },
};
