import type { PlantedBug } from "./planted-bug.ts";

const CORE = "src/cache/core.ts";
const FLIGHTS = "src/cache/single-flight.ts";
const LEASES = "src/cache/leases.ts";

/** In what the cache stores of loads and files, and in who waits for whom. */
export const LOAD_BUGS: readonly PlantedBug[] = [
  {
    name: "loads: what was read before a set or delete is stored after it",
    file: CORE,
    find: "this.#held = this.leases.holds(this.#lease as Lease) && ",
    replace: "this.#held = ",
  },
  {
    name: "loads: what was read before one of its tags was deleted is stored after it",
    file: CORE,
    find: "this.leases.holds(this.#lease as Lease) && !this.tagsDeletedSince(stamp);",
    replace: "this.leases.holds(this.#lease as Lease) && stamp !== null;",
  },
  {
    name: "loads: a result that is too long removes what was set meanwhile",
    file: CORE,
    find: "encoded.bytes, encoded.length, guard);\n      if",
    replace: "encoded.bytes, encoded.length);\n      if",
  },
  {
    name: "leases: a load without a slot is not told of changes by other threads",
    file: LEASES,
    find: "if (this.#hasOthers()) this.#sharedState.invalidateKey(k0);",
    replace: "",
  },
  {
    name: "leases: slots of threads that are gone stay taken",
    file: LEASES,
    find: "if (!gone.has(words[i])) continue;",
    replace: "continue;",
  },
  {
    name: "files: what was changed while a file is read gets the file's value",
    file: "src/cache/cache-file.ts",
    find: "leases.fileHolds(since, key.k0, key.k1) && ",
    replace: "",
  },
  {
    name: "loads: one that nobody waits for ends the process when it fails",
    file: FLIGHTS,
    find: "    promise.catch(() => undefined);\n",
    replace: "",
  },
  {
    name: "loads: those who wait are not told that the cache was closed",
    file: FLIGHTS,
    find: "for (const { reject } of open) reject(reason);",
    replace: "",
  },
  {
    name: "loads: one that awaits itself is not seen",
    file: "src/cache/deadlock-search.ts",
    find: "if (cycle !== null) throw deadlock(cycle);",
    replace: "",
  },
  {
    name: "tier: a delete that it refused is forgotten",
    file: "src/cache/tier.ts",
    find: "if (!this.#delete(name)) this.core.sharedState.invalidateTier();",
    replace: "this.#delete(name);",
  },
];
