/** Bugs to plant in what follows the machine's memory. */

import type { PlantedBug } from "./planted-bug.ts";

const FOLLOWER = "src/engine/memory-follower.ts";

export const MEMORY_BUGS: readonly PlantedBug[] = [
  {
    name: "memory follower: only what is missing goes, not what others take meanwhile",
    file: FOLLOWER,
    find: 'left - high - takenBytes, "short"',
    replace: 'left - high, "short"',
  },
  {
    name: "memory follower: it comes back to the low reserve only",
    file: FOLLOWER,
    find: 'left - high - takenBytes, "short"',
    replace: 'left - low - takenBytes, "short"',
  },
  {
    name: "memory follower: below min",
    file: FOLLOWER,
    find: "const next = Math.max(range.min, Math.floor(bytes));",
    replace: "const next = Math.max(0, Math.floor(bytes));",
  },
  {
    name: "memory follower: room of a moment is taken",
    file: FOLLOWER,
    find: "steadyBytes: Math.min(this.#least, this.#leastBefore),",
    replace: "steadyBytes: left,",
  },
  {
    name: "memory follower: what others took and gave back is forgotten",
    file: FOLLOWER,
    find: "this.#least = Math.min(this.#least, left - Math.max(0, takenBytes - memoryReserve(machine).low));",
    replace: "this.#least = Math.min(this.#least, left);",
  },
  {
    name: "memory follower: what the cache takes itself is taken by others",
    file: FOLLOWER,
    find: "    const left = machine.availableBytes + bytesInUse;\n    this.#looks",
    replace: "    const left = machine.availableBytes;\n    this.#looks",
  },
  {
    name: "memory follower: it shrinks on while pressure falls",
    file: FOLLOWER,
    find: "    some > pressureBefore * MEMORY_RULE.fallingPressure &&\n",
    replace: "",
  },
  {
    name: "memory follower: it always looks once a second",
    file: FOLLOWER,
    find: "if (this.#cache.isLeader()) ms = this.#look();",
    replace: "if (this.#cache.isLeader()) this.#look();",
  },
  {
    name: "memory follower: who is not the leader any more keeps its files open",
    file: FOLLOWER,
    find: "    this.#leading?.reader.close();\n",
    replace: "",
  },
];
