import { machineMemory, ZbudError } from "../base/index.ts";
import type { Engine } from "./engine.ts";
import { MemoryFollower, type MemoryRange, startLimit } from "./memory-follower.ts";

/** How long one change of the limit may keep the event loop. What is left is done at the next looks. */
const STEP_MS = 40;

/**
 * Has an engine follow the memory of the machine: of the threads and processes that share it one does it.
 *
 * @param range - of the engine's limit, in bytes.
 * @param clock - of the engine's calls.
 * @param isNew - whether the engine was just made: it begins with what there is room for.
 * @returns what ends it, for when the engine is closed.
 * @throws {ZbudError} `EINVAL` if the least is too little for the engine; `ENOTSUP` where nobody tells what memory there
 *   is.
 */
export function follow(
  engine: Engine,
  range: MemoryRange,
  clock: () => number,
  isNew: boolean,
): MemoryFollower {
  if (range.min < engine.minBytes) {
    throw new ZbudError(
      "EINVAL",
      `maxBytes.min leaves ${range.min} bytes, and index and metadata for maxBytes.max take ${engine.minBytes} at least; give a higher min, or a lower max`,
    );
  }
  if (isNew) engine.resize(startLimit(range, machineMemory()), clock());
  return new MemoryFollower(range, {
    isLeader: () => !engine.isClosed && engine.isFirst(),
    usage: () => ({ bytesInUse: engine.stats().bytesUsed, limitBytes: engine.bytesReserved }),
    resize: (bytes) => {
      const deadline = performance.now() + STEP_MS;
      const bytesFreed = engine.resize(Math.max(bytes, engine.minBytes), clock(), deadline);
      return { limitBytes: engine.bytesReserved, bytesFreed };
    },
  });
}
