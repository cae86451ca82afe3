import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { CompressedCache, type RemovalReason } from "../../src/cache/index.ts";
import { HAS_NODE_CODECS } from "../contracts/sharing.ts";
import { checkBooks, FakeClock } from "./helpers.ts";
import { CacheModel } from "./model.ts";

const MAX = 12;
const TAGS = ["red", "green", "blue"];

const key = fc.nat({ max: 20 }).map((n) => `key ${n}`);
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.tuple(fc.nat({ max: 255 }), fc.integer({ min: 0, max: 20_000 })).map(([n, length]) => {
    return String.fromCharCode(n).repeat(length);
  }),
  fc.integer({ min: 1, max: 9000 }).map((length) => {
    return Array.from({ length }, (_, i) => String.fromCharCode(32 + ((i * i * 31 + length) % 90))).join("");
  }),
);
const time = fc.constantFrom(0, 0, 1, 5, 20, 100);

type Step =
  | { do: "set"; key: string; value: string; ttl: number; stale: number; tags: string[] }
  | { do: "get" | "peek" | "delete" | "has" | "ttl"; key: string; allowStale: boolean }
  | { do: "wait"; ms: number }
  | { do: "tag"; tag: string }
  | { do: "clear" | "purge" | "walk" };

const set = fc.record({
  do: fc.constant("set" as const),
  key,
  value: text,
  ttl: time,
  stale: time,
  tags: fc.uniqueArray(fc.constantFrom(...TAGS), { maxLength: 3 }),
});
const one = fc.record({
  do: fc.constantFrom("get", "get", "get", "peek", "delete", "has", "ttl"),
  key,
  allowStale: fc.boolean(),
});
const wait = fc.record({ do: fc.constant("wait" as const), ms: fc.nat({ max: 30 }) });
const tag = fc.record({ do: fc.constant("tag" as const), tag: fc.constantFrom(...TAGS) });
const whole = fc.record({ do: fc.constantFrom("purge", "walk", "walk", "clear") });
const step = fc.oneof(
  { weight: 10, arbitrary: set },
  { weight: 10, arbitrary: one },
  { weight: 4, arbitrary: wait },
  { weight: 1, arbitrary: tag },
  { weight: 1, arbitrary: whole },
) as fc.Arbitrary<Step>;

function apply(cache: CompressedCache<string>, model: CacheModel, clock: FakeClock, step: Step): void {
  switch (step.do) {
    case "set": {
      const { ttl, stale, tags, value } = step;
      const result = cache.set(step.key, value, { ttl, staleWhileRevalidate: stale, tags });
      const expected = model.set(step.key, value, ttl, stale, tags);
      // What is expired and was not found yet is replaced, as in lru-cache.
      const wasExpired = model.removed.some(([name, reason]) => name === step.key && reason === "expired");
      assert.ok(result === expected || (wasExpired && result === "replace"), `${result}, not ${expected}`);
      break;
    }
    case "get":
      assert.equal(
        cache.get(step.key, { allowStale: step.allowStale }),
        model.get(step.key, step.allowStale),
      );
      break;
    case "peek":
      assert.equal(
        cache.peek(step.key, { allowStale: step.allowStale }),
        model.peek(step.key, step.allowStale),
      );
      break;
    case "has":
      assert.equal(cache.has(step.key), model.peek(step.key) !== undefined);
      break;
    case "ttl":
      assert.equal(cache.getRemainingTTL(step.key), model.remainingTtl(step.key));
      break;
    case "delete":
      // What is expired and was not found yet may count as there.
      cache.purgeStale();
      assert.equal(cache.delete(step.key), model.delete(step.key));
      break;
    case "wait":
      clock.now += step.ms;
      model.now += step.ms;
      break;
    case "tag":
      cache.purgeStale();
      assert.equal(cache.deleteByTag(step.tag), model.deleteByTag(step.tag));
      break;
    case "clear":
      cache.purgeStale();
      cache.clear();
      model.clear();
      assert.equal(cache.size, 0);
      break;
    case "purge":
      cache.purgeStale();
      assert.equal(cache.size, model.size);
      break;
    case "walk":
      assert.deepEqual([...cache.keys()], model.keys());
      assert.deepEqual(
        [...cache].map(([k, value]) => [k, value]),
        model.keys().map((k) => [k, model.peek(k)]),
      );
  }
}

suite("the cache against its model", () => {
  const zstd = HAS_NODE_CODECS ? [{ codec: "zstd" }] : [];
  const sieve = { policy: "sieve" as const };
  for (const options of [{}, { shared: false }, ...zstd, { dictionary: "none" as const }, sieve]) {
    const { policy } = { policy: "lru" as const, ...options };
    test(`any operations, ${JSON.stringify(options)}`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
          const clock = new FakeClock();
          const removed: [unknown, RemovalReason][] = [];
          const cache = new CompressedCache<string>({
            maxBytes: "4MiB",
            max: MAX,
            tags: true,
            clock: clock.read,
            onRemoved: (...event) => removed.push(event),
            ...options,
          });
          const model = new CacheModel(MAX, policy);
          for (const one of steps) {
            apply(cache, model, clock, one);
            // An expired entry that nobody found yet holds the hand, which in the model has gone on.
            if (policy === "sieve") cache.purgeStale();
            checkBooks(cache as CompressedCache<unknown>);
          }
          cache.purgeStale();
          model.expire();
          assert.deepEqual(sorted(removed), sorted(model.removed));
          cache.close();
        }),
        { numRuns: 60, seed: 20_260, endOnFailure: false },
      );
    });
  }
});

/**
 * Events in any order, since several entries may expire or be deleted in one call. An entry that expires and is
 * set anew before anybody found out was replaced.
 */
function sorted(events: readonly [unknown, RemovalReason][]): string[] {
  return events.map(([name, reason]) => `${String(name)} ${reason.replace("expired", "replaced")}`).sort();
}
