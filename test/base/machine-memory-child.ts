/**
 * Says what memory it sees in the group that it was started in: at once, after it took some, after it wrote a file
 * to shared memory, and when it has moved to another group and the first is gone.
 *
 * @param argv - the folders of the first group and of the other.
 */

import { rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { availableBytes, MemoryReader, memoryBytes } from "../../src/base/index.ts";

const TAKEN_BYTES = 2 ** 23;

const [, , first, other] = process.argv;
const reader = new MemoryReader();
const before = reader.read();
const once = { limitBytes: memoryBytes(), availableBytes: availableBytes() };
const taken = Buffer.alloc(TAKEN_BYTES, 1);
const after = reader.read();
const file = `/dev/shm/zbud-test-${process.pid}`;
writeFileSync(file, taken);
const shared = reader.read();
rmSync(file);
writeFileSync(join(other, "cgroup.procs"), String(process.pid));
rmdirSync(first);
const moved = reader.read();
reader.close();
console.log(JSON.stringify({ before, once, takenBytes: taken.length, after, shared, moved }));
