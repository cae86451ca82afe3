/** The programs of these tests, each in one file, which starts faster than the sources do, and with numbered points. */

import { join } from "node:path";
import { buildWithPoints, DRIVERS_WHERE, type Point, type Where } from "../threads/instrument.ts";
import type { DriverName } from "../threads/pools.ts";

/** A program with points in it. */
export interface Program {
  file: string;
  points: readonly Point[];
}

const all = (...names: string[]): Where[string] => ({ all: true, names: ["constructor", ...names] });

/** What members and locks are made of. */
const MEMBERS: Where = {
  "src/base/lock.ts": all("canBlock"),
  "src/base/thread-registry.ts": all("checkThreadId", "memberOf", "nextTurnOf", "turnOf", "stateOf"),
  "src/memory/reach.ts": all(),
  "src/memory/segment-area.ts": all("segmentAreaOf"),
  "src/memory/segment.ts": {
    all: false,
    names: ["take", "give", "publish", "newArea", "mapAreas", "close", "make"],
  },
  "src/pool/given-back.ts": all("partBytes", "has"),
  "src/pool/rebuild-lru.ts": all(),
};

/** The engine with its usual allocator. */
const ENGINE: Where = {
  "src/engine/shard.ts": all("isCurrent", "mayEvict", "hasDue", "epochAt"),
  "src/engine/shard-pools.ts": all(
    "bytesTouched",
    "bytesHeld",
    "bytesUsed",
    "bytesResident",
    "condense",
    "isTouched",
  ),
  "src/engine/rows.ts": all("format", "at", "find", "stateOf"),
  "src/engine/eviction/queue.ts": all("first", "last", "before", "after", "at"),
  "src/engine/eviction/lru.ts": all("fault", "first", "next"),
  "src/engine/eviction/sieve.ts": all("fault"),
  "src/engine/fragments.ts": all("handleOf", "poolOf", "read", "readOn", "skip", "here", "startsWith"),
  "src/engine/expiries.ts": all("fault", "deadlineOf", "first"),
  "src/engine/repair.ts": all(),
  "src/engine/writeback-marks.ts": all(
    ...["dirtyCount", "dirtyRows", "rowsBeingWritten", "unmark", "listedBytes", "isNearlyFull"],
  ),
  "src/drivers/log/allocator.ts": all(
    ...[
      "find",
      "place",
      "objects",
      "stats",
      "snapshot",
      "objectAt",
      "pageBytes",
      "metadataBytes",
      "looseBytes",
    ],
    ...["roomInOpenPage", "allowPages", "openBytes", "byteOf", "count", "close", "trim", "positions"],
  ),
  "src/drivers/log/repair.ts": all(),
};

const CACHE: Where = {
  "src/cache/leases.ts": all("isOwn", "hasOthers", "isListed", "bitOf", "holds"),
  "src/cache/shared-state.ts": {
    all: false,
    names: ["raise", "count"],
  },
  "src/cache/tags.ts": all("hash", "hashAt"),
};

/** The lock around an allocator. */
const LOCKED: Where = {
  "src/pool/locked-allocator.ts": all("find", "place", "stats", "objects", "inside", "moves"),
};

const WHERE: Readonly<Record<string, Where>> = {
  "cache-player": { ...MEMBERS, ...ENGINE, ...CACHE },
  actor: { ...MEMBERS, ...ENGINE },
  "history-player": { ...MEMBERS, ...ENGINE },
  "store-player": { ...MEMBERS, ...ENGINE },
};

/** Builds a program of this folder. */
export async function buildProgram(
  folder: string,
  name: string,
  where: Where = WHERE[name],
): Promise<Program> {
  const file = join(folder, `${name}.mjs`);
  return { file, points: await buildWithPoints(join(import.meta.dirname, `${name}.ts`), where, file) };
}

/** Builds the one that is at pools of a driver. */
export async function buildPoolProgram(folder: string, driver: DriverName): Promise<Program> {
  return await buildProgram(join(folder, driver), "pool-player", {
    ...MEMBERS,
    ...DRIVERS_WHERE[driver],
    ...LOCKED,
  });
}
