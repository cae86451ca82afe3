/** Fills a cache to its limit several times over, and says how much larger the process became. */
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";

function resident(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  return process.memoryUsage.rss();
}

const prng = new Prng(1);
const value = new Uint8Array(2000);
const fill = (): Uint8Array => {
  for (let i = 0; i < 500; i++) value[i] = prng.below(256);
  return value;
};
const warm = new CompressedCache<Uint8Array>({ maxBytes: "4MiB", dictionary: "none" });
for (let i = 0; i < 20_000; i++) warm.set(i, fill());
const before = resident();
const cache = new CompressedCache<Uint8Array>({ maxBytes: "128MiB", dictionary: "none" });
for (let i = 0; i < 400_000; i++) cache.set(i, fill());
const { bytesUsed, bytesReserved } = cache.stats();
const grown = resident() - before;
process.stdout.write(JSON.stringify({ grown, bytesUsed, bytesReserved, size: cache.size + warm.size }));
