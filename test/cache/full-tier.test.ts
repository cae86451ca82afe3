/** A cache whose second tier is full, or down, does not ask it for each entry. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FileBacking, KeyvBacking } from "../../src/backing/index.ts";
import { nextTurn, Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { freshPath } from "../support/fresh-path.ts";

const SETS = 3000;
const prng = new Prng(2);
const noise = Uint8Array.from({ length: 2000 }, () => prng.below(256));

async function setAll(cache: CompressedCache<Uint8Array>, first: number): Promise<void> {
  for (let key = first; key < first + SETS; key++) {
    cache.set(key, noise);
    if (key % 50 === 0) await new Promise<void>(nextTurn);
  }
}

describe("a cache over a second tier that takes nothing", () => {
  it("a full file is asked a few times; what is lost is counted; room is used as it comes", async () => {
    let now = 1000;
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 20, clock: () => now });
    const cache = new CompressedCache<Uint8Array>({ maxBytes: "1MiB", backing, dictionary: "none" });
    await setAll(cache, 0);
    await cache.flush();
    const { evictions, backingWrites, backingWritesFailed, isBackingFull } = cache.stats();
    // What was evicted, and what the flush would have written of what is in memory.
    assert.ok(backingWrites + backingWritesFailed >= evictions);
    assert.ok(backingWritesFailed > SETS / 2 && isBackingFull, `${backingWritesFailed} lost`);
    assert.ok(backing.stats().writesRefused < 20, `${backing.stats().writesRefused} were asked for`);

    let deleted = 0;
    for (let key = 0; key < SETS; key++) if (cache.delete(key)) deleted++;
    assert.ok(deleted > 400);
    assert.equal(cache.stats().isBackingFull, false);
    await setAll(cache, SETS);
    await cache.flush();
    assert.ok(cache.stats().backingWrites > backingWrites + 300, "the room is used");
    now += 10_000;
    const { writesRefused } = backing.stats();
    await setAll(cache, 2 * SETS);
    await cache.flush();
    assert.equal(backing.stats().writesRefused, writesRefused + 1, "it is asked once after the pause");
    cache.clear();
    assert.equal(cache.stats().isBackingFull, false);
    cache.close();
    await backing.close();
  });

  it("a server that is down is not given a delete for each entry", async () => {
    let calls = 0;
    const fail = (): Promise<never> => {
      calls++;
      return Promise.reject(new Error("down"));
    };
    const backing = new KeyvBacking({ store: { get: fail, set: fail, delete: fail, clear: fail } });
    const cache = new CompressedCache<Uint8Array>({ maxBytes: "1MiB", backing, dictionary: "none" });
    await setAll(cache, 0);
    const { backingWritesFailed, backingWrites, isBackingFull, evictions } = cache.stats();
    assert.ok(backingWrites === 0 && isBackingFull);
    assert.ok(backingWritesFailed > evictions - 100, `${backingWritesFailed} of ${evictions}`);
    assert.ok(calls < 200, `${calls} calls`);
    await backing.close().catch(() => undefined);
    cache.close();
  });
});
