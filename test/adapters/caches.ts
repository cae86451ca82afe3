/** Caches for the tests of adapters. */

import { after } from "node:test";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";

/** A small cache for one test file, closed after its tests. */
export function testCache(options: Partial<CompressedCacheOptions<unknown>> = {}): CompressedCache {
  const cache = new CompressedCache({ maxBytes: "8MiB", ...options });
  after(() => {
    verify(cache);
    cache.close();
  });
  return cache;
}

/** Text that does not compress, longer than the cache takes. */
export function tooLarge(cache: CompressedCache): string {
  const prng = new Prng(1);
  const length = 2 * cache.maxEntrySize;
  const codes = Array.from({ length: 1000 }, () => 32 + prng.below(90));
  let text = "";
  while (text.length < length) {
    codes[prng.below(1000)] = 32 + prng.below(90);
    for (let i = 999; i > 0; i--) {
      const other = prng.below(i + 1);
      [codes[i], codes[other]] = [codes[other], codes[i]];
    }
    text += String.fromCharCode(...codes);
  }
  return text;
}
