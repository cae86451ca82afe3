/**
 * A program beside a cache: it fills 200 MiB of cache, as far as that may go, and then takes 160 MiB more within a
 * second. What stands for the cache is memory that goes back to the system as soon as it is given up.
 *
 * @param argv - `follow`, or nothing.
 */

import { machineMemory } from "../../src/base/index.ts";
import { MemoryFollower, startLimit } from "../../src/engine/memory-follower.ts";

const MIB = 2 ** 20;
const RANGE = { min: 4 * MIB, max: 200 * MIB };
const TAKEN_MIB = 160;
/** Between two steps of a MiB; what takes all in one turn of the event loop gives nobody time to look. */
const STEP_MS = 5;

const memory = new ArrayBuffer(0, { maxByteLength: RANGE.max });
let limitBytes = RANGE.max;

function fill(): void {
  const from = memory.byteLength;
  if (from >= limitBytes) return;
  memory.resize(limitBytes);
  new Uint8Array(memory, from).fill(1);
}

if (process.argv[2] === "follow") {
  limitBytes = startLimit(RANGE, machineMemory());
  new MemoryFollower(RANGE, {
    isLeader: () => true,
    usage: () => ({ bytesInUse: memory.byteLength, limitBytes }),
    resize: (bytes) => {
      const bytesFreed = Math.max(0, memory.byteLength - bytes);
      limitBytes = bytes;
      memory.resize(Math.min(memory.byteLength, bytes));
      return { limitBytes, bytesFreed };
    },
  });
}
fill();
console.log(`filled ${Math.floor(memory.byteLength / MIB)}`);

const taken: Buffer[] = [];
const timer = setInterval(() => {
  taken.push(Buffer.alloc(MIB, 1));
  fill();
  if (taken.length < TAKEN_MIB) return;
  clearInterval(timer);
  console.log(`alive ${Math.floor(memory.byteLength / MIB)}`);
}, STEP_MS);
