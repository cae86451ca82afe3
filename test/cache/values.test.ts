import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { builtin } from "../../src/base/index.ts";
import { CompressedCache, type Serializer } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { isCode } from "../support/is-code.ts";

const IN_NODE = builtin<typeof import("node:v8")>("node:v8") !== undefined;

const open = (options = {}) => new CompressedCache<unknown>({ maxBytes: "4MiB", ...options });

describe("values come back as what they were", () => {
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
    it(name, () => {
      const cache = open();
      assert.equal(cache.set("key", value), "add");
      assert.deepStrictEqual(cache.get("key"), value);
      assert.deepStrictEqual(cache.peek("key"), value);
      assert.deepStrictEqual([...cache.values()], [value]);
      verify(cache);
    });
  }

  it("what get returns is the caller's own", () => {
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

  it("serializer v8 keeps what JSON cannot, where there is node:v8", () => {
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

  it("a serializer of the user's", () => {
    const serializer: Serializer<number[]> = {
      serialize: (value) => Uint8Array.from(value),
      deserialize: (bytes) => [...bytes],
    };
    const cache = new CompressedCache({ maxBytes: "4MiB", serializer });
    cache.set("key", [1, 2, 3]);
    assert.deepEqual(cache.get("key"), [1, 2, 3]);
  });

  it("a serializer that throws leaves the old value", () => {
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

  it("a serializer may use the cache", () => {
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
});

class User {
  name = "a";
}
class UserList extends Array {}
class Names extends Map {}
function Legacy(this: { a: number }): void {
  this.a = 1;
}
Legacy.prototype = { a: 1, run: () => undefined };

const CYCLE: Record<string, unknown> = { a: [{}] };
(CYCLE.a as unknown[])[0] = CYCLE;

const V8 = /give the cache serializer: "v8"/;
const CLASS = /no class, nor does serializer: "v8"/;
const NOTHING = /JSON has nothing for .*: leave it out/;
const AWAIT = /is a Promise that was not awaited.*: await it first/;

describe("what JSON would change is refused, with what and where it is, and what to do", () => {
  const REFUSED: [string, unknown, RegExp][] = [
    ["Map", new Map([["a", 1]]), V8],
    ["Set", new Set([1]), V8],
    ["Date", new Date(5), V8],
    ["RegExp", /x/, V8],
    ["Error", new Error("x"), /lose .*serializer: "v8", which keeps its name, message and stack/],
    ["TypeError", new TypeError("x"), /lose .*serializer: "v8", which keeps its name, message and stack/],
    ["Promise", Promise.resolve(1), AWAIT],
    ["Response", new Response("x"), CLASS],
    ["URL", new URL("http://a.b/"), CLASS],
    ["Headers", new Headers(), CLASS],
    ["ReadableStream", new ReadableStream(), CLASS],
    ["WeakMap", new WeakMap(), CLASS],
    ["User", new User(), CLASS],
    ["Names", new Names(), CLASS],
    ["an array of 2", UserList.of(1, 2), CLASS],
    ["an object with a prototype of its own", Object.create({ inherited: 1 }), CLASS],
    ["an object with a prototype of its own", Reflect.construct(Legacy, []), CLASS],
    ["an object", (function* () {})(), CLASS],
    ["Float64Array", new Float64Array(2), V8],
    ["DataView", new DataView(new ArrayBuffer(2)), V8],
    ["ArrayBuffer", new ArrayBuffer(2), V8],
    ["Number", Object(1), V8],
    ["String", Object("a"), V8],
    ["Boolean", Object(false), V8],
    ["BigInt", Object(1n), V8],
    ["Symbol", Object(Symbol("x")), CLASS],
    ["the BigInt 12n", 12n, V8],
    ["NaN", Number.NaN, V8],
    ["Infinity", Number.POSITIVE_INFINITY, V8],
    ["-Infinity", Number.NEGATIVE_INFINITY, V8],
    ["a function", () => 1, NOTHING],
    ["a function", User, NOTHING],
    ["Symbol(x)", Symbol("x"), NOTHING],
    ["a match of a regular expression", /b/.exec("abc"), V8],
    ["a cycle: it is an object that it is in", CYCLE, V8],
    ...(IN_NODE ? [["Buffer(1)", Buffer.from("x"), V8] as [string, unknown, RegExp]] : []),
  ];
  for (const [kind, value, what] of REFUSED) {
    it(`${kind}, alone and within`, () => {
      const cache = open();
      cache.set("key", "old");
      const expect = (outer: unknown, path: string): void => {
        assert.throws(
          () => cache.set("key", outer),
          (error: Error & { code?: string }) => {
            assert.equal(error.name, "ZbudError");
            assert.equal(error.code, "EINVAL");
            assert.match(error.message, what);
            if (what !== AWAIT) assert.ok(error.message.includes(`(${kind})`), error.message);
            assert.ok(error.message.includes(path), error.message);
            return true;
          },
        );
      };
      // A Buffer alone is bytes, and kept.
      if (kind !== "Buffer(1)") expect(value, value === CYCLE ? "value.a[0]" : "value");
      const inner = value === CYCLE ? ".a[0]" : "";
      expect({ users: [1, "two", { born: value }] }, `value.users[2].born${inner}`);
      expect([[value]], `value[0][0]${inner}`);
      expect({ "not a name": { größe: value } }, `value["not a name"].größe${inner}`);
      expect(Object.assign(Object.create(null), { a: value }), `value.a${inner}`);
      let deep: unknown = value;
      for (let i = 0; i < 100; i++) deep = { deep };
      expect(deep, "value.deep.deep");
      assert.equal(cache.get("key"), "old");
    });
  }

  it("undefined and holes in arrays, which JSON makes null", () => {
    for (const value of [[undefined], [1, undefined, 2], new Array(3)]) {
      assert.throws(() => open().set("key", value), {
        code: "EINVAL",
        message: /value\[\d\] \(undefined, or a hole/,
      });
    }
  });

  it("a loader's result as well: the first who asks is told", async () => {
    await assert.rejects(
      open().getOrSet("key", () => ({ at: new Date(1) })),
      {
        code: "EINVAL",
        message: /value\.at \(Date\)/,
      },
    );
  });

  it('serializer "v8" has an error of its own for what it cannot keep', () => {
    if (!IN_NODE) return;
    const cache = open({ serializer: "v8" });
    for (const value of [Promise.resolve(), () => 1, { f: Symbol("x") }]) {
      assert.throws(() => cache.set("key", value), {
        code: "EINVAL",
        message: /serializer "v8" cannot keep/,
      });
    }
  });
});

describe("what JSON keeps is kept", () => {
  const shared = { a: 1 };
  const KEPT: [string, unknown][] = [
    ["the same object twice", { a: shared, b: [shared, shared] }],
    [
      "names that objects have by themselves",
      JSON.parse('{"__proto__":{"a":1},"constructor":2,"toString":3}'),
    ],
    ["lone surrogates", { "a\ud800": "b\udc00" }],
    ["empty ones", { a: {}, b: [], c: "" }],
    ["numbers", [0, 1e308, 5e-324, -1.5, 2 ** 53]],
  ];
  for (const [name, value] of KEPT) {
    it(name, () => {
      const cache = open();
      cache.set("key", value);
      assert.deepStrictEqual(cache.get("key"), value);
    });
  }

  it("what is equal afterwards, if not the same", () => {
    const cache = open();
    const bare = Object.assign(Object.create(null), { a: 1 });
    for (const [value, comesBack] of [
      [{ a: undefined, b: 1 }, { b: 1 }],
      [{ bare }, { bare: { a: 1 } }],
      [new Proxy({ a: [1] }, {}), { a: [1] }],
      [
        {
          get a() {
            return 1;
          },
        },
        { a: 1 },
      ],
      [[-0], [0]],
    ]) {
      cache.set("key", value);
      assert.deepStrictEqual(cache.get("key"), comesBack);
    }
  });

  it("deep nesting", () => {
    const cache = open();
    let value: unknown = 1;
    for (let i = 0; i < 2000; i++) value = i % 2 === 0 ? [value] : { value };
    cache.set("key", value);
    assert.equal(JSON.stringify(cache.get("key")), JSON.stringify(value));
  });

  it("plain objects and arrays of another realm", () => {
    const vm = builtin<typeof import("node:vm")>("node:vm");
    if (vm === undefined) return;
    const cache = open();
    cache.set("key", vm.runInNewContext('({ a: [1, { b: "c" }] })'));
    assert.deepStrictEqual(cache.get("key"), { a: [1, { b: "c" }] });
    for (const code of ["new Map()", "[new Date(1)]", "({ a: Promise.resolve() })", "new (class A {})()"]) {
      assert.throws(() => cache.set("key", vm.runInNewContext(code)), { code: "EINVAL" }, code);
    }
  });
});

describe("bytes without a copy to the heap", () => {
  it("getInto copies the bytes, and says how many there are", () => {
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

  it("getInto into a target that is too short leaves it alone", () => {
    const cache = open();
    cache.set("text", "hello");
    const target = new Uint8Array(4).fill(0xee);
    assert.throws(() => cache.getInto("text", target), isCode("EINVAL", '"text"', "5 bytes", "getInto 4"));
    assert.deepEqual([...target], [0xee, 0xee, 0xee, 0xee]);
    assert.equal(cache.getInto("text", new Uint8Array(5)), 5);
  });

  it("withValue gives a view while it runs, also one inside the other", () => {
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

  it("withValue of a callback that throws", () => {
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
