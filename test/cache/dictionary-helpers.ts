import { setImmediate as turn } from "node:timers/promises";
import { Prng } from "../../src/base/index.ts";
import type { CompressedCache, DictionaryStats } from "../../src/cache/index.ts";

/** A small record like all others of this function. */
export function record(i: number): string {
  const prng = new Prng(i + 1);
  const city = ["Amsterdam", "Barcelona", "Copenhagen", "Düsseldorf"][prng.below(4)];
  return JSON.stringify({
    customerIdentifier: prng.uint32(),
    shippingAddress: {
      street: `Main street ${prng.below(200)}`,
      city,
      country: "Netherlands",
      postalCode: prng.below(9999),
    },
    subscriptionStatus: prng.chance(0.5) ? "active" : "cancelled",
    lastModifiedTimestamp: new Date(prng.uint32() * 300).toISOString(),
    preferredLanguage: prng.chance(0.3) ? "nl-NL" : "en-GB",
    notes: prng.uint32().toString(36) + prng.uint32().toString(36),
  });
}

/** Bytes that resemble nothing. */
export function noise(i: number): Uint8Array {
  const prng = new Prng(i + 1);
  return Uint8Array.from({ length: 500 }, () => prng.below(256));
}

const RECORDS = 2000;

/**
 * Sets values, with turns of the event loop between them, until nothing is being learned any more; then all of them
 * once more.
 *
 * @returns what `stats()` says then of the dictionary, and how many bytes are held for each byte of memory.
 */
export async function fill(
  cache: CompressedCache<unknown>,
  valueFor: (i: number) => unknown = record,
): Promise<{ dictionary: DictionaryStats; density: number }> {
  const signal = AbortSignal.timeout(60_000);
  for (let i = 0; cache.stats().dictionary.state === "learning"; i++) {
    cache.set(i % RECORDS, valueFor(i % RECORDS));
    if (i % 20 === 0) await turn(undefined, { signal });
  }
  for (let i = 0; i < RECORDS; i++) cache.set(i, valueFor(i));
  const { dictionary, originalBytes, storedBytes } = cache.stats();
  return { dictionary, density: originalBytes / storedBytes };
}

/** A small record of another kind, like all others of this function. */
export function event(i: number): string {
  const prng = new Prng(i + 1_000_001);
  return JSON.stringify({
    eventType: ["page_view", "add_to_basket", "checkout_started", "payment_failed"][prng.below(4)],
    sessionToken: prng.uint32().toString(16) + prng.uint32().toString(16),
    device: {
      manufacturer: ["Apple", "Samsung", "Xiaomi"][prng.below(3)],
      operatingSystem: `version ${prng.below(20)}.${prng.below(10)}`,
      screenWidth: 100 * prng.below(30),
    },
    durationMilliseconds: prng.below(100_000),
    referrerUrl: `https://www.example.org/catalogue/articles/${prng.below(10_000)}/details`,
    experimentGroups: ["control", "variant-a", "variant-b"].slice(prng.below(3)),
  });
}

/**
 * Sets values of another kind, with turns of the event loop between them, until so many dictionaries have been learned.
 */
export async function fillUntilLearned(
  cache: CompressedCache<unknown>,
  valueFor: (i: number) => unknown,
  count: number,
): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  for (let i = 0; cache.stats().dictionary.learned < count; i++) {
    cache.set(i % RECORDS, valueFor(i % RECORDS));
    if (i % 20 === 0) await turn(undefined, { signal });
  }
}
