import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { canShare } from "../../src/base/index.ts";
import type { Dictionaries } from "../../src/cache/dictionary-lesson.ts";
import type { Learned } from "../../src/cache/dictionary-state.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { learn } from "../../src/cache/train-dictionary.ts";
import { until } from "../support/until.ts";
import { checkBooks } from "./cache-checks.ts";
import { event, noise, record } from "./dictionary-helpers.ts";

const NONE: Dictionaries = { current: -1, bytes: [] };

function runLearning(samples: readonly Uint8Array[], known: Dictionaries = NONE, maxBytes = 8192): Learned {
  const steps = learn({ samples, maxBytes, known });
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value.learned;
}

/**
 * Sets until the dictionary is used; how many times smaller it made them, all set again. It
 * may come between any two sets, so what they take without one is measured in a cache that learns none.
 */
async function settle(cache: CompressedCache<unknown>, valueFor: (i: number) => unknown): Promise<number> {
  const setAll = (into: CompressedCache<unknown>): number => {
    for (let i = 0; i < 200; i++) into.set(i, valueFor(i));
    return into.stats().storedBytes;
  };
  const plain = new CompressedCache<unknown>({ maxBytes: "8MiB", dictionary: "none" });
  const before = setAll(plain);
  plain.close();
  const others = cache.stats().storedBytes;
  await until("the values are smaller", () => setAll(cache) - others < before * 0.8);
  return before / (setAll(cache) - others);
}

describe("a dictionary that is learned from the first sets", () => {
  it("makes small similar records much smaller; those from before stay readable, in all threads", async () => {
    const cache = new CompressedCache<unknown>({ maxBytes: "8MiB" });
    for (let i = 1000; i < 1100; i++) cache.set(i, record(i));
    const gain = await settle(cache, record);
    assert.ok(gain > 1.5, `${gain} times smaller`);
    const other = canShare() ? CompressedCache.attach<unknown>(cache.share()) : cache;
    for (const one of [cache, other]) {
      for (let i = 0; i < 200; i++) assert.equal(one.get(i), record(i));
      for (let i = 1000; i < 1100; i++) assert.equal(one.get(i), record(i));
    }
    other.set("from the other", record(5));
    assert.equal(cache.get("from the other"), record(5));
    checkBooks(cache);
    cache.close();
  });

  it("is not used where it would not help, and not at all with dictionary: none", async () => {
    assert.equal(runLearning(Array.from({ length: 200 }, (_, i) => noise(i))), null);
    assert.equal(runLearning([]), null);
    const cache = new CompressedCache<unknown>({ maxBytes: "8MiB", dictionary: "none" });
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 200; i++) cache.set(i, record(i));
      await turn();
    }
    const plain = cache.stats().storedBytes;
    const learned = new CompressedCache<unknown>({ maxBytes: "8MiB" });
    await settle(learned, record);
    assert.ok(learned.stats().storedBytes < plain / 1.5);
  });

  it("is compared with those that there are: the best of them rather than one that is a little better", () => {
    const bytesOf = (valueFor: (i: number) => string): Uint8Array[] =>
      Array.from({ length: 400 }, (_, i) => new TextEncoder().encode(valueFor(i)));
    const [records, events] = [bytesOf(record), bytesOf(event)];
    const forRecords = runLearning(records) as Uint8Array;
    const forEvents = runLearning(events) as Uint8Array;
    assert.ok(forRecords.length > 1000 && forEvents.length > 1000);
    const both = [forRecords, forEvents];
    assert.equal(runLearning(records, { current: 0, bytes: both }), null, "it is in use");
    assert.equal(runLearning(events, { current: 0, bytes: both }), 1);
    assert.ok(runLearning(events, { current: 0, bytes: [forRecords] }) instanceof Uint8Array);
    assert.equal(runLearning(events, { current: 0, bytes: [forRecords] }, 0), null, "no room for another");
    assert.equal(runLearning(events, { current: 0, bytes: both }, 0), 1);
    const noises = Array.from({ length: 200 }, (_, i) => noise(i));
    assert.equal(runLearning(noises, { current: 1, bytes: both }), null);
  });

  it("closing while it is being learned", () => {
    const cache = new CompressedCache<unknown>({ maxBytes: "8MiB" });
    for (let i = 0; i < 2500; i++) cache.set(i, record(i));
    cache.close();
  });
});
