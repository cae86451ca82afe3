/**
 * Opens a segment, and kills itself at the n-th call of the system on the way. Prints how many there were if it comes to
 * the end.
 */

import { libc } from "../../src/memory/libc.ts";
import { openSegment } from "./segments.ts";

const [path, at] = process.argv.slice(2);
let calls = 0;

/** Counts the calls of these functions, and ends before one of them. */
function watch(functions: object, names: readonly string[]): void {
  const table = functions as Record<string, (...values: unknown[]) => unknown>;
  for (const name of names) {
    const real = table[name];
    table[name] = (...values) => {
      if (calls++ === Number(at)) process.kill(process.pid, "SIGKILL");
      return real.apply(table, values);
    };
  }
}

const fs = process.getBuiltinModule("node:fs");
watch(
  fs,
  Object.keys(fs).filter((name) => name.endsWith("Sync")),
);
watch(libc(), ["mmap", "flock", "fcntl", "allocate", "fallocate"]);
openSegment({ name: path });
console.log(calls);
