/** The system gives no memory, at each point in turn: nothing is half done, and the cache goes on. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryBacking } from "../../src/backing/index.ts";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { slotsDriver } from "../../src/drivers/slots/index.ts";
import { registerDriver, unregisterDriver } from "../../src/pool/index.ts";
import { checkBooks } from "./cache-checks.ts";
import { makeValue, type Scarcity, whileScarce } from "./out-of-memory.ts";

type Options = Omit<CompressedCacheOptions<unknown>, "maxBytes">;
type Setting = Options & { attaches?: boolean };

/** What a call gave, or `ENOMEM` if it threw that. Whatever else it throws is a failure. */
function outcome<T>(scarcity: Scarcity, refuses: (asked: number) => boolean, call: () => T): T | "ENOMEM" {
  try {
    return whileScarce(scarcity, refuses, call);
  } catch (error) {
    assert.ok(error instanceof ZbudError, `not typed: ${(error as Error).stack}`);
    assert.equal(error.code, "ENOMEM", error.message);
    assert.match(error.message, /lower maxBytes|free some/);
    let cause: unknown = error;
    while (cause instanceof ZbudError) ({ cause } = cause);
    assert.ok(cause instanceof RangeError);
    return "ENOMEM";
  }
}

/**
 * A fixed workload of sets, gets and deletes while memory is scarce. What can be read must be what was set last under
 * that key, or what was there before a set that failed.
 */
function run({ attaches = false, ...options }: Setting, refuses: (asked: number) => boolean): Scarcity {
  const scarcity = { asked: 0, refused: 0 };
  const made = new CompressedCache<unknown>({ maxBytes: 2 ** 20, clock: () => 5, ...options });
  // A second view makes its codecs when it meets them, while memory is scarce.
  const cache = attaches ? CompressedCache.attach<unknown>(made.share(), { clock: () => 5 }) : made;
  const prng = new Prng(3);
  /** What each key may have: none for sure if it is not in here. */
  const allowed = new Map<number, Set<unknown>>();
  for (let i = 0; i < 100; i++) {
    const key = prng.below(30);
    const choice = prng.below(10);
    const known = allowed.get(key) ?? new Set();
    if (choice < 6) {
      const value = makeValue(prng, 1 + prng.below(prng.chance(0.2) ? 100_000 : 3000));
      const tags = options.tags ? { tags: [`tag ${prng.below(3)}`] } : {};
      const { refused } = scarcity;
      const result = outcome(scarcity, refuses, () => cache.set(key, value, tags));
      if (result === "ENOMEM") assert.ok(scarcity.refused > refused || cache.stats().rejectNoMemory > 0);
      if (result === "ENOMEM") known.add(value);
      else allowed.set(key, new Set(result === "E2BIG" ? [] : [value]));
    } else if (choice < 8) {
      const got = outcome(scarcity, refuses, () => cache.get(key));
      if (got !== "ENOMEM" && got !== undefined) assertOneOf(got, known);
    } else if (choice < 9) {
      if (outcome(scarcity, refuses, () => cache.delete(key)) !== "ENOMEM") allowed.delete(key);
    } else if (options.tags) {
      outcome(scarcity, refuses, () => cache.deleteByTag(`tag ${prng.below(3)}`));
    }
    checkBooks(cache);
  }
  for (const [key, known] of allowed) {
    const got = cache.get(key);
    if (got !== undefined) assertOneOf(got, known);
  }
  for (let key = 0; key < 40; key++) {
    assert.match(cache.set(key, `again ${key}`), /add|replace/);
    assert.equal(cache.get(key), `again ${key}`);
  }
  checkBooks(cache);
  cache.close();
  made.close();
  return scarcity;
}

function assertOneOf(got: unknown, known: Set<unknown>): void {
  const same = (a: unknown, b: unknown): boolean =>
    a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0);
  assert.ok(
    [...known].some((value) => same(value, got)),
    "a value that was set under this key",
  );
}

const dictionary = new TextEncoder().encode("1234567890 ".repeat(400));
const KINDS: [string, () => Setting][] = [
  ["of one thread", () => ({ shared: false, dictionary: "none" })],
  ["shared", () => ({ dictionary: "none" })],
  [
    "with tags, a listener and a tier",
    () => ({
      shared: false,
      dictionary: "none",
      tags: true,
      backing: new MemoryBacking(),
      onRemoved: () => {},
    }),
  ],
  ["with a dictionary, as another thread has it", () => ({ dictionary, attaches: true })],
  ["with zstd", () => ({ shared: false, dictionary: "none", codec: "zstd" })],
];

describe("out of memory", () => {
  for (const [name, options] of KINDS) {
    it(`a cache ${name}: once at each point in turn, and from each point on`, () => {
      const { asked } = run(options(), () => false);
      assert.ok(asked > 5, `the workload asks for memory often enough to be of use: ${asked} times`);
      for (let point = 0; point < asked; point++) {
        assert.equal(run(options(), (at) => at === point).refused, 1, `point ${point} was reached`);
        assert.ok(run(options(), (at) => at >= point).refused > 0);
      }
    });
  }

  it("construction: once at each point in turn; the error says what to do, and nothing stays behind", () => {
    const type = "slots of a cache that was not made";
    registerDriver({ ...slotsDriver, type });
    for (const shared of [true, false]) {
      for (const options of [{}, { dictionary, tags: true, shards: 4 }, { codec: "zstd" }] as Options[]) {
        let point = 0;
        for (let done = false; !done; point++) {
          const scarcity = { asked: 0, refused: 0 };
          const make = (): CompressedCache<unknown> =>
            new CompressedCache<unknown>({ maxBytes: 2 ** 22, driver: type, shared, ...options });
          const made = outcome(scarcity, (at) => at === point, make);
          done = scarcity.refused === 0;
          if (made === "ENOMEM") continue;
          // Not refused, or what it does without: locks that are fast.
          assert.equal(made.set("key", "value"), "add");
          assert.equal(made.get("key"), "value");
          assert.throws(
            () => unregisterDriver(type),
            { code: "EBUSY" },
            "else the end of this test says nothing",
          );
          made.close();
        }
        assert.ok(point > 5, `construction asks for memory often enough to be of use: ${point} times`);
      }
    }
    unregisterDriver(type); // EBUSY if a pool were still open
  });
});
