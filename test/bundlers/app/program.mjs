/** What is bundled: it fills a cache with records that have much in common, and says what that took. */
import { CompressedCache } from "zbud/cache";
import { createZstd } from "zbud/codecs";

const RECORDS = 2000;

/** @param {number} index */
function record(index) {
  let state = index + 1;
  const below = (/** @type {number} */ limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return JSON.stringify({
    customerIdentifier: below(1e9),
    shippingAddress: { street: `Main street ${below(200)}`, city: "Amsterdam", postalCode: below(9999) },
    subscriptionStatus: below(2) === 0 ? "active" : "cancelled",
    preferredLanguage: below(3) === 0 ? "nl-NL" : "en-GB",
    lastModifiedTimestamp: new Date(below(1e9) * 1000).toISOString(),
    notes: below(1e9).toString(36) + below(1e9).toString(36),
  });
}

/** Bytes held for each byte of memory, once a dictionary was learned or not; and what else a bundle may lose. */
export async function run() {
  const cache = new CompressedCache({ maxBytes: "8MiB" });
  const end = Date.now() + 30_000;
  for (let i = 0; cache.stats().dictionary?.state === "learning" && Date.now() < end; i++) {
    cache.set(i % RECORDS, record(i % RECORDS));
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (let i = 0; i < RECORDS; i++) cache.set(i, record(i));
  const { originalBytes, storedBytes, dictionary } = cache.stats();
  const density = originalBytes / storedBytes;
  const zstd = globalThis.process === undefined ? "none" : createZstd().backend;
  return { density, dictionary, zstd, right: cache.get(7) === record(7) };
}
