import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { builtin } from "../../src/base/index.ts";
import { CompressedCache, type Serializer } from "../../src/cache/index.ts";

const IN_NODE = builtin<typeof import("node:v8")>("node:v8") !== undefined;

const open = (options = {}) => new CompressedCache<unknown>({ maxBytes: "4MiB", ...options });

suite("values come back as what they were", () => {
  const VALUES: [string, unknown][] = [
    ["empty string", ""],
    ["string", "hello"],
    ["string of two-byte characters", "größer als 日本語 😀"],
    ["string with lone surrogates", "a\ud800b\udc00"],
    ["long string", "The quick brown fox. ".repeat(20_000)],
    ["string that begins with a byte order mark", "\ufeffx"],
    ["empty bytes", new Uint8Array(0)],
    ["bytes", new Uint8Array([1, 2, 3, 255])],
    ...(IN_NODE ? [["Buffer", Buffer.from("bytes of a Buffer")] as [string, unknown]] : []),
    ["zeros", new Uint8Array(100_000)],
    ["noise", Uint8Array.from({ length: 50_000 }, (_, i) => Math.imul(i * i, 0x9e37_79b1) >>> 24)],
    ["a megabyte", new Uint8Array(2 ** 20).fill(7)],
    ["object", { a: [1, 2, { b: null }], c: "ü" }],
    ["array", [1, "two", [3]]],
    ["number", 42.5],
    ["true", true],
    ["null", null],
  ];
  for (const [name, value] of VALUES) {
    test(name, () => {
      const cache = open();
      assert.equal(cache.set("key", value), "add");
      assert.deepStrictEqual(cache.get("key"), value);
      assert.deepStrictEqual(cache.peek("key"), value);
      assert.deepStrictEqual([...cache.values()], [value]);
      cache.verify();
    });
  }

  test("what get returns is the caller's own", () => {
    const cache = open();
    const given = Uint8Array.of(1, 2, 3);
    cache.set("a", given);
    given[0] = 9;
    const got = cache.get("a") as Uint8Array;
    assert.equal(got[0], 1);
    got[1] = 9;
    assert.deepEqual(cache.get("a"), Uint8Array.of(1, 2, 3));
    assert.equal(got.byteOffset, 0);
    assert.equal(got.buffer.byteLength, 3);
  });

  test("serializer v8 keeps what JSON cannot, where there is node:v8", () => {
    if (!IN_NODE) {
      assert.throws(() => open({ serializer: "v8" }), { code: "ENOTSUP" });
      return;
    }
    const cache = open({ serializer: "v8" });
    const value = {
      map: new Map([["a", 1n]]),
      date: new Date(5),
      set: new Set([1]),
      typed: new Float64Array(3),
    };
    cache.set("key", value);
    assert.deepStrictEqual(cache.get("key"), value);
  });

  test("a serializer of the user's", () => {
    const serializer: Serializer<number[]> = {
      serialize: (value) => Uint8Array.from(value),
      deserialize: (bytes) => [...bytes],
    };
    const cache = new CompressedCache({ maxBytes: "4MiB", serializer });
    cache.set("key", [1, 2, 3]);
    assert.deepEqual(cache.get("key"), [1, 2, 3]);
  });

  test("a serializer that throws leaves the old value", () => {
    const cache = new CompressedCache<string>({
      maxBytes: "4MiB",
      serializer: {
        serialize: (value) => {
          if (value === "bad") throw new RangeError("cannot");
          return Buffer.from(value);
        },
        deserialize: (bytes) => Buffer.from(bytes).toString(),
      },
    });
    cache.set("key", "good");
    assert.throws(() => cache.set("key", "bad"), RangeError);
    assert.equal(cache.get("key"), "good");
  });

  test("a serializer may use the cache", () => {
    const cache: CompressedCache<string> = new CompressedCache<string>({
      maxBytes: "4MiB",
      serializer: {
        serialize: (value) => {
          if (value !== "inner") cache.set("other key", "inner");
          return Buffer.from(value);
        },
        deserialize: (bytes) => {
          const text = Buffer.from(bytes).toString();
          return text === "inner" ? text : `${text}+${cache.get("other key")}`;
        },
      },
    });
    cache.set("key", "outer");
    assert.equal(cache.get("key"), "outer+inner");
  });

  for (const [name, value] of [
    ["a function", () => 1],
    ["a symbol", Symbol("x")],
    ["a Float64Array", new Float64Array(2)],
    ["an ArrayBuffer", new ArrayBuffer(2)],
  ] as const) {
    test(`JSON has no ${name}`, () => {
      assert.throws(() => open().set("key", value), { code: "EINVAL" });
    });
  }
});

suite("bytes without a copy to the heap", () => {
  test("getInto copies the bytes, and says how many there are", () => {
    const cache = open();
    cache.set("text", "größe");
    cache.set("json", { a: 1 });
    const target = new Uint8Array(16).fill(0xee);
    assert.equal(cache.getInto("text", target), 7);
    assert.equal(Buffer.from(target.subarray(0, 7)).toString(), "größe");
    assert.equal(cache.getInto("json", target), 7);
    assert.equal(Buffer.from(target.subarray(0, 7)).toString(), '{"a":1}');
    assert.equal(cache.getInto("nobody", target), undefined);
  });

  test("getInto into a target that is too short leaves it alone", () => {
    const cache = open();
    cache.set("text", "hello");
    const target = new Uint8Array(4).fill(0xee);
    assert.equal(cache.getInto("text", target), 5);
    assert.deepEqual([...target], [0xee, 0xee, 0xee, 0xee]);
    assert.equal(cache.getInto("text", new Uint8Array(5)), 5);
  });

  test("withValue gives a view while it runs, also one inside the other", () => {
    const cache = open();
    cache.set("a", "first value");
    cache.set("b", "second value");
    const result = cache.withValue("a", (a) => {
      const b = cache.withValue("b", (view) => Buffer.from(view).toString());
      return `${Buffer.from(a).toString()}, ${b}, ${cache.get("b")}`;
    });
    assert.equal(result, "first value, second value, second value");
    assert.equal(
      cache.withValue("nobody", () => 1),
      undefined,
    );
  });

  test("withValue of a callback that throws", () => {
    const cache = open();
    cache.set("a", "value");
    assert.throws(
      () =>
        cache.withValue("a", () => {
          throw new RangeError("mine");
        }),
      RangeError,
    );
    assert.equal(cache.get("a"), "value");
  });
});
