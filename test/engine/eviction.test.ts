/** Which entry goes next, by each policy, as the engine shows it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { verify } from "../../src/diagnostics/index.ts";
import { slotsDriver } from "../../src/drivers/slots/index.ts";
import { Engine, type EngineOptions, entryAttributes } from "../../src/engine/index.ts";

const NONE = new Uint8Array(0);
const VALUE = new Uint8Array(100).map((_, i) => i);

/** An engine that holds 6 entries, and the names of those that it evicted. */
function make(evict: EngineOptions["evict"]): {
  engine: Engine;
  gone: number[];
  put: (name: number) => void;
} {
  const gone: number[] = [];
  const engine = new Engine({
    maxBytes: 2 ** 20,
    driver: slotsDriver,
    maxEntries: 6,
    ...(evict === undefined ? {} : { evict }),
    onRemoved: (reason, { k0 }) => {
      if (reason === "evicted") gone.push(k0);
    },
  });
  const put = (name: number): void => {
    assert.notEqual(engine.put(name, 0, VALUE, VALUE.length, entryAttributes(), 0), "full");
    verify(engine);
  };
  for (let name = 1; name <= 6; name++) put(name);
  return { engine, gone, put };
}

describe("eviction", () => {
  for (const evict of [undefined, "lru", "page"] as const) {
    it(`${evict ?? "by default"}: the least recently used entry goes`, () => {
      const { engine, gone, put } = make(evict);
      for (const name of [1, 3]) engine.lookup(name, 0, NONE, 0, 0, true);
      for (let name = 7; name <= 12; name++) put(name);
      assert.deepEqual(gone, [2, 4, 5, 6, 1, 3]);
      engine.close();
    });
  }

  it("sieve: what was used is spared once, and the hand goes on where it was", () => {
    const { engine, gone, put } = make("sieve");
    for (const name of [1, 3]) engine.lookup(name, 0, NONE, 0, 0, true);
    for (let name = 7; name <= 10; name++) put(name);
    assert.deepEqual(gone, [2, 4, 5, 6]);
    // Newer ones than the hand has passed go before the two that it spared.
    for (let name = 11; name <= 12; name++) put(name);
    assert.deepEqual(gone, [2, 4, 5, 6, 7, 8]);
    engine.close();
  });

  it("sieve: an entry that is removed under the hand puts it on to the next", () => {
    const { engine, gone, put } = make("sieve");
    put(7);
    assert.deepEqual(gone, [1]);
    assert.ok(engine.remove(2, 0, NONE, 0), "the hand is on it");
    verify(engine);
    put(8);
    put(9);
    assert.deepEqual(gone, [1, 3]);
    engine.close();
  });

  it("another name is refused, with those that there are", () => {
    assert.throws(() => make("fifo" as "lru"), {
      code: "EINVAL",
      message: /evict must be "lru" or "sieve" or "page", not "fifo"/,
    });
  });
});
