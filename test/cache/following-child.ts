/**
 * A program beside a cache of up to 200 MiB: it fills the cache as far as that goes, and then takes 160 MiB more within
 * a second, while it goes on setting entries.
 *
 * @param argv - `follow`, or nothing; then a name, if processes share the cache.
 */

import { randomFillSync } from "node:crypto";
import { CompressedCache } from "../../src/cache/index.ts";

const MIB = 2 ** 20;
const TAKEN_MIB = 160;
/** Between two steps of a MiB; what takes all in one turn of the event loop gives nobody time to look. */
const STEP_MS = 5;
const VALUE_BYTES = 4000;

const [, , how, name] = process.argv;
const cache = new CompressedCache<Uint8Array>({
  maxBytes: how === "follow" ? { min: "8MiB", max: "200MiB" } : "200MiB",
  codec: "none",
  dictionary: "none",
  ...(name === undefined ? {} : { shared: name }),
});
const value = randomFillSync(new Uint8Array(VALUE_BYTES));
let next = 0;

function set(count: number): void {
  for (let i = 0; i < count; i++) cache.set(next++, value);
}

/** To the limit, and some steps further, with leave for the follower to look. */
for (let mib = 0; mib < 220; mib++) {
  set(MIB / VALUE_BYTES);
  await new Promise((resolve) => setImmediate(resolve));
}
const megabytes = (): number => Math.floor(cache.stats().bytesUsed / MIB);
console.log(`filled ${megabytes()}`);

const taken: Buffer[] = [];
const timer = setInterval(() => {
  taken.push(Buffer.alloc(MIB, 1));
  set(64);
  if (taken.length < TAKEN_MIB) return;
  clearInterval(timer);
  console.log(`alive ${megabytes()}`);
  cache.close();
}, STEP_MS);
