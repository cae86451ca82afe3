import type { Walks } from "../../pool/index.ts";
import type { LogAllocator } from "./allocator.ts";
import { columnsOf } from "./snapshot.ts";
import { verifyTable } from "./verify.ts";

/** How diagnostics walk over a pool of this driver. */
export const logWalks: Walks = {
  columns: (allocator) => {
    const { table, geometry, handleAt } = (allocator as LogAllocator).inside();
    return columnsOf(table, geometry, handleAt);
  },
  verify: (allocator, reclaims) => {
    const { table, geometry } = (allocator as LogAllocator).inside();
    verifyTable(table, geometry, reclaims);
  },
};
