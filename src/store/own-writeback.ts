import { WriteBudget } from "../base/index.ts";
import type { Engine } from "../engine/index.ts";
import type { Counters } from "./counters.ts";
import type { StoreShape, ThreadSettings } from "./options.ts";
import { batchPages } from "./own-bytes.ts";
import { Writeback } from "./writeback.ts";

/** The writeback of a store in this thread. */
export function writebackOf(
  engine: Engine,
  counters: Counters,
  shape: StoreShape,
  settings: ThreadSettings,
): Writeback {
  const { backing, acceptThreshold, maxWriteBytesPerSecond, sharedClock, writeback } = settings;
  const parts = {
    engine,
    backing,
    counters,
    drops: shape.whenFull === "drop",
    batchPages: batchPages(shape),
    pageSize: shape.pageSize,
    threshold: acceptThreshold,
    budget: new WriteBudget(counters.budget, maxWriteBytesPerSecond, sharedClock),
  };
  return new Writeback(parts, writeback);
}
