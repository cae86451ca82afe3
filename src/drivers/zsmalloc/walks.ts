import type { Walks } from "../../pool/index.ts";
import type { ZsmallocAllocator } from "./allocator.ts";
import { columnsOf } from "./snapshot.ts";
import { verifyTable } from "./verify.ts";

/** How diagnostics walk over a pool of this driver. */
export const zsmallocWalks: Walks = {
  columns: (allocator) => {
    const { table, geometry, handleAt } = (allocator as ZsmallocAllocator).inside();
    return columnsOf(table, geometry, handleAt);
  },
  verify: (allocator, reclaims) => {
    const { table, geometry } = (allocator as ZsmallocAllocator).inside();
    verifyTable(table, geometry, reclaims);
  },
};
