import type { Walks } from "../../pool/index.ts";
import type { SlotsAllocator } from "./allocator.ts";
import { columnsOf } from "./snapshot.ts";
import { verifyTable } from "./verify.ts";

/** How diagnostics walk over a pool of this driver. */
export const slotsWalks: Walks = {
  columns: (allocator) => columnsOf((allocator as SlotsAllocator).inside()),
  verify: (allocator, reclaims) => verifyTable((allocator as SlotsAllocator).inside(), reclaims),
};
