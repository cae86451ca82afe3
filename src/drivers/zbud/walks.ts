import type { Walks } from "../../pool/index.ts";
import type { ZbudAllocator } from "./allocator.ts";
import { columnsOf, zbudSnapshotOf } from "./snapshot.ts";
import { verifyTable } from "./verify.ts";

/** How diagnostics walk over a pool of this driver. */
export const zbudWalks: Walks = {
  columns: (allocator) => {
    const { table, geometry, handleAt } = (allocator as ZbudAllocator).inside();
    return columnsOf(table, geometry, handleAt);
  },
  verify: (allocator, reclaims) => {
    const { table, geometry } = (allocator as ZbudAllocator).inside();
    verifyTable(table, geometry, reclaims);
  },
  snapshot: (allocator, snapshot) =>
    zbudSnapshotOf(snapshot, (allocator as ZbudAllocator).inside().geometry.chunkSize),
};
