import { posix } from "node:path";
import type { Tree } from "./sources.ts";

/** Where a name may stand several times, and why: it means the same thing in each of these folders. */
interface FixedName {
  /** Folders; those below them too. */
  in: readonly string[];
  /** What it means there. */
  means: string;
}

const EVERYWHERE = ["src"];
/** An allocator has the same files as its siblings; the pool above them has what they share. */
const ALLOCATORS = ["src/drivers", "src/pool"];

/** Names with a fixed meaning. Every other name is of one file in src/. */
const FIXED: Record<string, FixedName> = {
  "index.ts": { in: EVERYWHERE, means: "the front door of its folder" },
  "types.ts": { in: EVERYWHERE, means: "the types of its folder that its users see" },
  "options.ts": { in: EVERYWHERE, means: "options: their types, checks and defaults" },
  "stats.ts": { in: EVERYWHERE, means: "what stats() of its folder gives" },
  "verify.ts": { in: EVERYWHERE, means: "the check that a structure holds what it should" },
  "repair.ts": { in: EVERYWHERE, means: "what mends a structure after a thread died in it" },
  "snapshot.ts": { in: EVERYWHERE, means: "a picture of all that is held" },
  "metrics.ts": { in: EVERYWHERE, means: "the diagnostics channel of its folder" },
  "open.ts": { in: EVERYWHERE, means: "makes or opens what its folder is for" },
  "allocator.ts": { in: ALLOCATORS, means: "the interface, and each class that implements it" },
  "attach.ts": { in: ALLOCATORS, means: "a pool on the memory of another thread's" },
  "driver.ts": { in: ALLOCATORS, means: "the interface of a driver, and each driver" },
  "pool.ts": { in: ALLOCATORS, means: "the class of pools, and what each driver adds" },
  "geometry.ts": { in: ALLOCATORS, means: "where what lies, from the options" },
  "page-table.ts": { in: ALLOCATORS, means: "the columns of numbers that know the pages" },
  "fit.ts": { in: ALLOCATORS, means: "what page sizes fit the data" },
  "table.ts": { in: ["src/drivers", "src/engine"], means: "the layout of the words of all that it knows" },
  "walks.ts": { in: ["src/drivers"], means: "how diagnostics walk over pools of a driver" },
  "places.ts": { in: ALLOCATORS, means: "where an object lies" },
};

/** Files of one base name in different folders, unless the name has a fixed meaning there: one line for each name. */
export function sameNames(tree: Tree): string[] {
  // A public door has the name that it is imported by.
  const inner = [...tree.keys()].filter((path) => !path.startsWith("src/entry/"));
  const byName = Map.groupBy(inner, (path) => posix.basename(path));
  const found: string[] = [];
  for (const [name, paths] of byName) {
    const folders = Object.hasOwn(FIXED, name) ? FIXED[name].in : [];
    const inside = paths.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)));
    // One that stands for something else outside is a second meaning.
    if (paths.length - inside.length + Math.min(inside.length, 1) > 1) {
      found.push(`${name}: ${paths.join(", ")}`);
    }
  }
  return found.sort();
}
