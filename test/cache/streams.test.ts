/** Values as web streams: read block by block, and set as they come. */

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { after, describe, it } from "node:test";
import { Prng } from "../../src/base/index.ts";
import { type ByteSource, CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { isCode } from "../support/is-code.ts";
import { largeValue } from "./large-values.ts";

const MIB = 2 ** 20;
const prng = new Prng(1);
const LARGE = largeValue(prng, 3 * MIB + 5);
const OTHER = largeValue(prng, 3 * MIB + 5);

const open = (options: Partial<CompressedCacheOptions<unknown>> = {}) => {
  const cache = new CompressedCache<unknown>({ maxBytes: "32MiB", dictionary: "none", ...options });
  after(() => cache.close());
  return cache;
};

async function collect(stream: ReadableStream<Uint8Array> | undefined): Promise<Buffer | undefined> {
  if (stream === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A source that says how far it was read, and how it ended. */
function source(chunks: Iterable<unknown>, fault?: unknown) {
  const seen = { pulled: 0, cancelled: undefined as unknown };
  const iterator = chunks[Symbol.iterator]();
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const { done, value } = iterator.next();
        seen.pulled++;
        if (done !== true) controller.enqueue(value as Uint8Array);
        else if (fault === undefined) controller.close();
        else controller.error(fault);
      },
      cancel(reason) {
        seen.cancelled = reason;
      },
    },
    { highWaterMark: 0 },
  );
  return { seen, stream };
}

describe("getStream", () => {
  it("gives the bytes of any value, and nothing for none", async () => {
    const cache = open();
    const values = { large: LARGE, small: LARGE.subarray(0, 1000), empty: new Uint8Array(0) };
    for (const [key, value] of Object.entries(values)) cache.set(key, value);
    for (const [key, value] of Object.entries(values)) {
      assert.ok((await collect(cache.getStream(key)))?.equals(value), key);
    }
    cache.set("text", "größe");
    cache.set("json", { a: 1 });
    assert.equal(String(await collect(cache.getStream("text"))), "größe");
    assert.equal(String(await collect(cache.getStream("json"))), '{"a":1}');
    assert.equal(cache.getStream("nobody"), undefined);
    assert.deepEqual([cache.stats().hits, cache.stats().misses], [5, 1]);
    assert.ok((await new Response(cache.getStream("large")).arrayBuffer()).byteLength === LARGE.length);
  });

  it("gives chunks of 1 MiB, decompressed when they are asked for", async () => {
    const cache = open();
    cache.set("a", LARGE);
    const reader = (cache.getStream("a") as ReadableStream<Uint8Array>).getReader();
    for (const expected of [MIB, MIB, MIB, 5]) assert.equal((await reader.read()).value?.length, expected);
    assert.equal((await reader.read()).done, true);
  });

  it("keeps what it reads among the most recently used", async () => {
    const cache = open({ maxEntries: 2 });
    cache.set("a", LARGE);
    const reader = (cache.getStream("a") as ReadableStream<Uint8Array>).getReader();
    for (let i = 0; i < 4; i++) {
      cache.set(`other ${i}`, 1);
      assert.equal((await reader.read()).done, false);
    }
  });

  const ENDS: [string, (cache: CompressedCache<unknown>) => unknown][] = [
    ["replaced", (cache) => cache.set("a", OTHER)],
    ["deleted", (cache) => cache.delete("a")],
    ["cleared", (cache) => cache.clear()],
    [
      "evicted",
      (cache) => Array.from({ length: 40_000 }, (_, key) => cache.set(key, LARGE.subarray(key, key + 900))),
    ],
    [
      "deleted, and its row has another entry",
      (cache) => {
        cache.delete("a");
        for (let key = 0; key < 4000; key++) cache.set(key, LARGE.subarray(key, key + 9));
      },
    ],
    ["replaced by itself", (cache) => cache.set("a", LARGE)],
  ];
  for (const [how, end] of ENDS) {
    it(`fails if the value is ${how} in the middle, and never mixes two`, async () => {
      const cache = open({ maxBytes: "14MiB" });
      cache.set("a", LARGE);
      const reader = (cache.getStream("a") as ReadableStream<Uint8Array>).getReader();
      const first = await reader.read();
      assert.ok(Buffer.from(first.value as Uint8Array).equals(LARGE.subarray(0, MIB)));
      end(cache);
      await assert.rejects(reader.read(), isCode("ESTALE", "from its start"));
      verify(cache);
    });
  }

  it("of a value of one block is read at once", async () => {
    const cache = open();
    cache.set("a", LARGE.subarray(0, MIB));
    const stream = cache.getStream("a");
    cache.set("a", OTHER);
    assert.ok((await collect(stream))?.equals(LARGE.subarray(0, MIB)));
  });

  it("fails if the cache is closed, and can be cancelled", async () => {
    const cache = open();
    cache.set("a", LARGE);
    const reader = (cache.getStream("a") as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    const other = (cache.getStream("a") as ReadableStream<Uint8Array>).getReader();
    await other.read();
    cache.close();
    await assert.rejects(other.read(), isCode("ECLOSED"));
    assert.throws(() => cache.getStream("a"), isCode("ECLOSED"));
  });
});

describe("setStream", () => {
  it("keeps what any source of bytes gives, in chunks of any length", async () => {
    const cache = open();
    for (const value of [LARGE, LARGE.subarray(0, MIB), LARGE.subarray(0, 1000), new Uint8Array(0)]) {
      for (const step of [5 * MIB, MIB, 70_001]) {
        const chunks: Buffer[] = [];
        for (let at = 0; at < value.length; at += step)
          chunks.push(Buffer.from(value.subarray(at, at + step)));
        const iterable = (async function* () {
          yield* chunks;
        })();
        const sources: ByteSource[] = [
          new Blob([value]).stream(),
          Readable.from(chunks, { objectMode: true }),
          iterable,
        ];
        for (const each of sources) {
          cache.delete("a");
          assert.equal(await cache.setStream("a", each), "add");
          assert.ok(Buffer.from(cache.get("a") as Uint8Array).equals(value));
        }
      }
    }
    assert.equal(
      await cache.setStream("a", new Response("body").body as ReadableStream<Uint8Array>),
      "replace",
    );
    assert.equal(String(Buffer.from(cache.get("a") as Uint8Array)), "body");
    verify(cache);
  });

  it("takes what set takes as much room for", async () => {
    const cache = open();
    for (const length of [200, 1000, 50_000, MIB, MIB + 1, 3 * MIB]) {
      cache.set("a", LARGE.subarray(0, length));
      await cache.setStream("b", new Blob([LARGE.subarray(0, length)]).stream());
      assert.equal(cache.info("b")?.size, cache.info("a")?.size, `${length} bytes`);
    }
  });

  it("takes the options of set, and gives bytes whatever the serializer", async () => {
    let now = 1000;
    const cache = open({ tags: true, serializer: "v8", clock: () => now });
    const { stream } = source([LARGE]);
    assert.equal(await cache.setStream("a", stream, { ttl: 50, tags: ["t"] }), "add");
    assert.ok(Buffer.from(cache.get("a") as Uint8Array).equals(LARGE));
    now += 51;
    assert.equal(cache.get("a"), undefined);
    await cache.setStream("a", source([LARGE]).stream, { tags: ["t"] });
    assert.equal(cache.deleteByTag("t"), 1);
    const bad = source([LARGE]);
    await assert.rejects(cache.setStream("a", bad.stream, { ttl: -1 }), isCode("EINVAL", "ttl"));
    await assert.rejects(cache.setStream({} as never, bad.stream), isCode("EINVAL", "key"));
    assert.equal(bad.seen.pulled, 0, "nothing was read for it");
  });

  it("asks for no more than it can take, and leaves the old value until it has all", async () => {
    const cache = open();
    cache.set("a", "old");
    let pulled = 0;
    const { seen, stream } = source(
      (function* () {
        for (let at = 0; at < 3 * MIB; at += MIB / 4) {
          assert.equal(cache.get("a"), "old");
          pulled++;
          yield LARGE.subarray(at, at + MIB / 4);
        }
      })(),
    );
    const setting = cache.setStream("a", stream);
    await Promise.resolve();
    assert.ok(pulled <= 2, `${pulled} chunks were asked for at once`);
    assert.equal(await setting, "replace");
    assert.equal(seen.pulled, 13);
    assert.ok(Buffer.from(cache.get("a") as Uint8Array).equals(LARGE.subarray(0, 3 * MIB)));
  });

  it("leaves the old value where the source fails, gives something else, or is aborted", async () => {
    const cache = open();
    cache.set("a", "old");
    const fault = new Error("the connection broke");
    await assert.rejects(cache.setStream("a", source([LARGE], fault).stream), fault);
    const text = source([LARGE, "text"]);
    await assert.rejects(cache.setStream("a", text.stream), isCode("EINVAL", '"text"'));
    assert.ok(text.seen.cancelled !== undefined);
    const stop = new AbortController();
    const endless = source({
      [Symbol.iterator]: () => ({ next: () => ({ done: false, value: LARGE.subarray(0, 9) }) }),
    });
    const setting = cache.setStream("a", endless.stream, { signal: stop.signal });
    const reason = new Error("no longer wanted");
    stop.abort(reason);
    await assert.rejects(setting, reason);
    assert.equal(endless.seen.cancelled, reason);
    const late = source([LARGE]);
    await assert.rejects(cache.setStream("a", late.stream, { signal: stop.signal }), reason);
    assert.equal(late.seen.pulled, 0);
    assert.equal(cache.get("a"), "old");
  });

  it("refuses what is too long without reading all of it, and no older value is left", async () => {
    const cache = open();
    cache.set("a", "old");
    const noise = Uint8Array.from({ length: MIB }, () => prng.below(256));
    const large = source({ [Symbol.iterator]: () => ({ next: () => ({ done: false, value: noise }) }) });
    assert.equal(await cache.setStream("a", large.stream), "E2BIG");
    assert.ok(large.seen.pulled < 12 && large.seen.cancelled !== undefined);
    assert.equal(cache.has("a"), false);
    const long = source({
      [Symbol.iterator]: () => ({ next: () => ({ done: false, value: new Uint8Array(MIB) }) }),
    });
    assert.equal(await cache.setStream("a", long.stream), "E2BIG");
    assert.equal(long.seen.pulled, 65);
    const unread = source([LARGE]);
    assert.equal(await cache.setStream("x".repeat(70_000), unread.stream), "E2BIG");
    assert.equal(unread.seen.pulled, 0, "the key is looked at first");
    assert.ok(isCode("EINVAL")(unread.seen.cancelled));
    assert.equal(cache.stats().rejectTooBig, 3);
  });

  it("refuses what was read before, rather than keep what is left of it", async () => {
    const cache = open();
    cache.set("a", "old");
    const read = source([LARGE]).stream;
    const reader = read.getReader();
    while (!(await reader.read()).done);
    reader.releaseLock();
    const begun = source([LARGE, LARGE]).stream;
    const other = begun.getReader();
    await other.read();
    other.releaseLock();
    const cancelled = source([LARGE]).stream;
    await cancelled.cancel();
    const response = new Response("text");
    await response.text();
    const ofNode = Readable.from([LARGE]);
    for await (const _ of ofNode);
    const destroyed = Readable.from([LARGE]).destroy();
    for (const stream of [read, begun, cancelled, ofNode, destroyed])
      await assert.rejects(
        cache.setStream("a", stream as ByteSource),
        isCode("EINVAL", "read or cancelled before"),
      );
    await assert.rejects(cache.setStream("a", response.body as ByteSource), isCode("EINVAL", "reader"));
    assert.equal(cache.get("a"), "old");
    assert.equal(await cache.setStream("a", source([LARGE]).stream), "replace");
  });

  it("names the call whose options are wrong", async () => {
    const cache = open();
    const wrong = { foo: 1 } as never;
    assert.throws(() => cache.getStream("a", wrong), isCode("EINVAL", "of getStream;"));
    assert.throws(() => cache.getInto("a", new Uint8Array(1), wrong), isCode("EINVAL", "of getInto;"));
    assert.throws(() => cache.withValue("a", () => 1, wrong), isCode("EINVAL", "of withValue;"));
    assert.throws(() => cache.getMany(["a"], wrong), isCode("EINVAL", "of getMany;"));
    assert.throws(() => cache.get("a", wrong), isCode("EINVAL", "of get;"));
    await assert.rejects(cache.getAsync("a", wrong), isCode("EINVAL", "of getAsync;"));
    for (const [name, hint] of [
      ["flushInterval", "flushEvery"],
      ["improvement", "use improve"],
    ])
      assert.throws(() => open({ [name]: 1 }), isCode("EINVAL", hint));
  });

  it("says what is no source, and ends when the cache is closed", async () => {
    const cache = open();
    for (const none of [undefined, null, "text", new Uint8Array(3), [LARGE], {}]) {
      await assert.rejects(cache.setStream("a", none as never), isCode("EINVAL", "ReadableStream"));
    }
    const locked = source([LARGE]).stream;
    locked.getReader();
    await assert.rejects(cache.setStream("a", locked), isCode("EINVAL", "reader"));
    let cancelled: unknown;
    const never = new ReadableStream<Uint8Array>({
      cancel(reason) {
        cancelled = reason;
      },
    });
    const setting = cache.setStream("a", never);
    cache.close();
    await assert.rejects(setting, isCode("ECLOSED"));
    assert.ok(isCode("ECLOSED")(cancelled));
  });
});
