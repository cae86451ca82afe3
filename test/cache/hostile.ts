import assert from "node:assert/strict";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import type { StoredEntry } from "../../src/record/index.ts";
import { checkBooks, FakeClock } from "./cache-checks.ts";

/** Another run: ZBUD_FAST_CHECK_SEED=N. */
export const SEED: number = Number(process.env.ZBUD_FAST_CHECK_SEED ?? 20_260);

export const clock: FakeClock = new FakeClock();
export const DICTIONARY: Uint8Array = Buffer.from(
  '{"id":1,"name":"somebody","text":"lorem ipsum lorem ipsum"}',
);
export type Options = Partial<CompressedCacheOptions<unknown>>;
export const open = (options: Options = {}): CompressedCache<unknown> =>
  new CompressedCache<unknown>({ maxBytes: "2MiB", tags: true, clock: clock.read, ...options });

/** Every kind of key, value and entry. */
export function fill(cache: CompressedCache<unknown>): void {
  cache.set("text", "lorem ipsum ".repeat(20), { tags: ["a", "b"], ttl: 5000, staleWhileRevalidate: 100 });
  cache.set("ü", { id: 1, name: "somebody", text: "lorem ipsum ".repeat(20) }, { tags: ["a"] });
  cache.set(1.5, Buffer.from("raw"), { ttl: 9000 });
  cache.set(Uint8Array.of(0, 255), new Uint8Array(100));
  cache.set("units \ud800", "\ud800".repeat(50));
  cache.set("short", '{"not":"json"}');
  cache.set("json", [1, 2, 3]);
  cache.set("", "");
  cache.set("b", Uint8Array.of(1));
}

/** Whatever is in a cache can be read, walked and removed. */
export function assertUsable(
  cache: CompressedCache<unknown>,
  check: (cache: CompressedCache<unknown>) => void = checkBooks,
): void {
  check(cache);
  const entries = [...cache];
  assert.equal(entries.length, [...cache.keys()].length);
  for (const [key, value] of entries) {
    assert.deepStrictEqual(cache.get(key), value);
    assert.equal(cache.has(key), true);
    assert.ok(cache.getRemainingTTL(key) > 0);
  }
  cache.deleteByTag("a");
  for (const [key] of entries) cache.delete(key);
  clock.now += 1e9;
  cache.purgeStale();
  clock.now -= 1e9;
  assert.equal(cache.size, 0, "nothing stays for ever");
  check(cache);
}

/** The fields of an entry: property of the record, place in its header, and values that none has or few have. */
export const FIELDS: [keyof StoredEntry, number, "U8" | "U16" | "U32" | "I32" | "F64", readonly number[]][] =
  [
    ["sameFilled", 15, "U8", [0, 1, 2, 3, 128, 255]],
    ["k0", 16, "I32", [-1, 0, 1, 2 ** 31 - 1, -(2 ** 31)]],
    ["k1", 20, "I32", [-1, 0, 1, 2 ** 31 - 1, -(2 ** 31)]],
    ["prefixLength", 24, "U16", [0, 1, 65_534, 65_535]],
    ["headLength", 26, "U16", [1, 8, 9, 64, 72, 65_535]],
    ["storedLength", 28, "U32", [0, 1, 100, 2 ** 31, 2 ** 32 - 1]],
    ["length", 32, "U32", [0, 1, 7, 8, 2 ** 20, 2 ** 20 + 1, 2 ** 26, 2 ** 26 + 1, 2 ** 31, 2 ** 32 - 1]],
    ["codec", 36, "U32", [0, 1, 2, 3, 4, 77, 127, 128, 255, 256, 258, 2 ** 31, 2 ** 32 - 1]],
    [
      "expiresAt",
      40,
      "F64",
      [
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        -1,
        -0,
        0,
        1e-300,
        5000,
        1e300,
        Number.MAX_VALUE,
      ],
    ],
    ["stamp", 48, "F64", [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 0.5, 2 ** 31, 2 ** 53 - 1, 2 ** 53]],
    ["aux", 56, "I32", [-1, 0, 1, 2, 3, 4, 5, 6, 2 ** 31 - 1, -(2 ** 31)]],
    ["aux2", 60, "I32", [-1, 0, 1, 2 ** 31 - 1, -(2 ** 31)]],
  ];

export function put(entry: Buffer, at: number, type: (typeof FIELDS)[number][2], value: number): void {
  const view = new DataView(entry.buffer, entry.byteOffset, entry.length);
  if (type === "U8") view.setUint8(at, value);
  else if (type === "U16") view.setUint16(at, value, true);
  else if (type === "U32") view.setUint32(at, value, true);
  else if (type === "I32") view.setInt32(at, value, true);
  else view.setFloat64(at, value, true);
}
