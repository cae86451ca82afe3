// A Keyv store needs a module of Node.
import { verify } from "../../src/diagnostics/index.ts";
import "node:worker_threads";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Backing,
  type BackingKey,
  KeyvBacking,
  MemoryBacking,
  type StoredEntry,
} from "../../src/backing/index.ts";
import { assertUsable, clock, FIELDS, fill, open, SEED } from "./hostile.ts";

/** A store that gives whatever it is told to. */
class HostileTier extends MemoryBacking {
  forge: ((record: StoredEntry) => StoredEntry) | null = null;

  override async read(key: BackingKey): Promise<StoredEntry | null> {
    const record = await super.read(key);
    return record === null || this.forge === null ? record : this.forge(record);
  }
}

describe("a record of the second tier with right checksums and wrong content is a miss, and is counted", () => {
  const keys = ["text", "ü", 1.5, Uint8Array.of(0, 255), "units \ud800", "short", "json", "", "b"];

  async function assertMisses(
    backing: HostileTier,
    forge: NonNullable<HostileTier["forge"]>,
  ): Promise<number> {
    backing.forge = null;
    const cache = open({ backing: backing as Backing, maxEntries: 1 });
    fill(cache);
    cache.set("last", "x");
    await cache.flush();
    backing.forge = forge;
    let values = 0;
    for (const key of keys) {
      const before = cache.stats();
      const value = await cache.getAsync(key);
      const after = cache.stats();
      if (value === undefined) assert.equal(after.backingMisses, before.backingMisses + 1);
      else values++;
      assert.equal(await cache.getOrSet(key, () => "loaded", { forceRefresh: true }), "loaded");
    }
    // What came from the tier was not set here.
    assertUsable(cache, () => verify(cache));
    cache.close();
    return values;
  }

  it(`each field, any value (fast-check, seed ${SEED})`, async () => {
    const backing = new HostileTier({ clock: clock.read });
    const whole = await assertMisses(backing, (record) => record);
    assert.equal(whole, keys.length);
    // What the field may be, what no field may be, and what is no number at all.
    const any = [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 31, 2 ** 53, 1e300, true, false];
    const fields = [...FIELDS, ["fill0", 0, "I32", []] as const, ["fill1", 0, "I32", []] as const];
    const field = fc.constantFrom(...fields).chain(([name, , , values]) => {
      return fc.constantFrom<unknown>(...values, ...any, undefined, "x").map((value) => ({ name, value }));
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(field, { maxLength: 3 }),
        fc.option(fc.record({ at: fc.nat({ max: 400 }), xor: fc.integer({ min: 1, max: 255 }) })),
        async (changes, flip) => {
          await assertMisses(backing, (record) => {
            const bytes = record.bytes.slice();
            if (flip !== null && bytes.length > 0) bytes[flip.at % bytes.length] ^= flip.xor;
            const others = Object.fromEntries(changes.map(({ name, value }) => [name, value]));
            return { ...record, bytes, ...others };
          });
        },
      ),
      { numRuns: 100, seed: SEED },
    );
  });

  it("records that are too short, too long, of another value, of an object", async () => {
    const backing = new HostileTier({ clock: clock.read });
    for (const bytes of [new Uint8Array(0), new Uint8Array(39), new Uint8Array(2 ** 22), "x", null, {}]) {
      const forge = (record: StoredEntry): StoredEntry => ({ ...record, bytes: bytes as Uint8Array });
      // The empty key has an empty value: no bytes are its own, and more may stand behind.
      assert.equal(await assertMisses(backing, forge), bytes instanceof Uint8Array ? 1 : 0);
    }
    for (const storedLength of [2 ** 26 + 1, 2 ** 27]) {
      const bytes = new Uint8Array(storedLength + 100);
      const forge = (record: StoredEntry): StoredEntry => {
        bytes.set(record.bytes.subarray(0, record.prefixLength + record.headLength));
        return { ...record, bytes, sameFilled: false, codec: 0, storedLength, length: storedLength };
      };
      assert.equal(await assertMisses(backing, forge), 0);
    }
    assert.equal(await assertMisses(backing, () => 7 as never), 0);
  });

  it("a block that its codec did not make is not put into memory", async () => {
    const backing = new HostileTier({ clock: clock.read });
    const cache = open({ backing, maxEntries: 1, dictionary: "none" });
    cache.set("a", "lorem ipsum ".repeat(20));
    cache.set("b", "x");
    await cache.flush();
    backing.forge = (record) => {
      const bytes = record.bytes.slice();
      bytes.fill(0xff, bytes.length - 9);
      return { ...record, bytes };
    };
    for (let i = 0; i < 2; i++) assert.equal(await cache.getAsync("a"), undefined);
    assert.equal(cache.get("a"), undefined);
    assert.equal(cache.stats().backingReadsFailed, 2);
    cache.close();
  });

  it("dictionaries of others: too long, of no codec that takes one, and very many", async () => {
    const backing = new HostileTier({ clock: clock.read });
    const writers = Array.from({ length: 20 }, (_, i) => {
      const cache = open({
        backing,
        maxEntries: 1,
        dictionary: Buffer.from(`dictionary ${i} lorem ipsum ${i}`),
      });
      cache.set(`k${i}`, `lorem ipsum ${i} `.repeat(10));
      cache.set("x", "x");
      return cache;
    });
    for (const cache of writers) await cache.flush();
    const isDictionary = (record: StoredEntry): boolean => record.bytes[0] === 0xfd;
    const reader = open({ backing, dictionary: "none" });
    backing.forge = (record) => (isDictionary(record) ? { ...record, codec: 4 } : record);
    assert.equal(await reader.getAsync("k0"), undefined);
    backing.forge = (record) => {
      if (!isDictionary(record)) return record;
      const bytes = new Uint8Array(4 + 2 ** 19);
      bytes.set(record.bytes.subarray(0, 4));
      return { ...record, bytes, storedLength: 2 ** 19 };
    };
    assert.equal(await reader.getAsync("k0"), undefined);
    backing.forge = null;
    for (let i = 0; i < 20; i++) assert.equal(await reader.getAsync(`k${i}`), `lorem ipsum ${i} `.repeat(10));
    for (const cache of [...writers, reader]) cache.close();
  });

  it("whatever a Keyv store gives", async () => {
    const given: { value: unknown } = { value: undefined };
    const store = {
      get: async () => given.value,
      set: async () => true,
      delete: async () => true,
      clear: async () => undefined,
    };
    const backing = new KeyvBacking({ store, maxRecordBytes: 2 ** 16 });
    const cache = open({ backing });
    const values = [
      7,
      true,
      {},
      [],
      new Date(),
      Symbol("x"),
      () => 1,
      new Uint8Array(9),
      "",
      "%%%",
      "WkJWMQ==",
      "A".repeat(2 ** 20),
    ];
    for (const [key, value] of values.entries()) {
      given.value = value;
      assert.equal(await cache.getAsync(key), undefined);
      assert.equal(await cache.getOrSet(key, () => 1, { forceRefresh: true }), 1);
    }
    assert.equal(cache.stats().backingReadsFailed, values.length);
    cache.close();
  });
});
