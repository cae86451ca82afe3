/** The store of undici's cache interceptor: through a real agent to a real server, and by itself. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Agent, type Dispatcher, interceptors } from "undici";
import { pack, unpack } from "../../src/adapters/packed-value.ts";
import { type UndiciCacheKey, type UndiciCacheValue, undiciStore } from "../../src/adapters/undici.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { testCache, tooLarge } from "./caches.ts";

const BODY = Buffer.from("<li>one of many like it</li>".repeat(2000));

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

describe("undici over the store", () => {
  const cache = testCache();
  let server: Server;
  let agent: Dispatcher;
  let origin = "";
  let requests = 0;
  let answer: Answer;

  before(async () => {
    server = createServer((request, response) => {
      requests++;
      answer(request, response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    agent = new Agent().compose(interceptors.cache({ store: undiciStore(cache), methods: ["GET", "HEAD"] }));
  });
  after(async () => {
    await agent.close();
    server.close();
  });
  beforeEach(() => {
    cache.clear();
    requests = 0;
    answer = (_, response) => {
      response.writeHead(200, { "cache-control": "public, max-age=60", "x-number": requests }).end(BODY);
    };
  });

  interface Got {
    status: number;
    headers: Record<string, unknown>;
    body: Buffer;
  }

  async function get(path = "/", headers: Record<string, string> = {}, method = "GET"): Promise<Got> {
    const result = await agent.request({ origin, path, method: method as "GET", headers });
    const body = Buffer.from(await result.body.arrayBuffer());
    return { status: result.statusCode, headers: result.headers, body };
  }

  it("asks the server once, and gives the same bytes and headers", async () => {
    const first = await get();
    const second = await get();
    assert.equal(requests, 1);
    assert.deepEqual(second.body, BODY);
    assert.deepEqual(second.body, first.body);
    assert.equal(second.status, 200);
    assert.equal(second.headers["x-number"], "1");
    assert.ok("age" in second.headers, "it says that it comes from a cache");
    assert.ok(cache.stats().storedBytes < BODY.length / 10, "it is compressed");
  });

  it("keeps paths, methods and queries apart", async () => {
    await get("/a");
    await get("/b");
    await get("/a?q=1");
    await get("/a", {}, "HEAD");
    assert.equal(requests, 4);
    for (const path of ["/a", "/b", "/a?q=1"]) assert.equal((await get(path)).body.length, BODY.length);
    assert.equal((await get("/a", {}, "HEAD")).body.length, 0);
    assert.equal(requests, 4);
  });

  it("keeps apart what varies by a header", async () => {
    answer = (request, response) => {
      const headers = { "cache-control": "max-age=60", vary: "accept-language" };
      response.writeHead(200, headers).end(`in ${request.headers["accept-language"]}`);
    };
    const inLanguage = async (language: string): Promise<string> =>
      (await get("/", { "accept-language": language })).body.toString();
    for (let round = 0; round < 2; round++) {
      assert.equal(await inLanguage("de"), "in de");
      assert.equal(await inLanguage("en"), "in en");
    }
    assert.equal(requests, 2);
  });

  it("asks again whether a stale response is still good, and keeps it if so", async () => {
    answer = (request, response) => {
      const headers = { "cache-control": "max-age=0, must-revalidate", etag: '"1"' };
      if (request.headers["if-none-match"] === '"1"') response.writeHead(304, headers).end();
      else response.writeHead(200, headers).end(BODY);
    };
    await get();
    const { status, body } = await get();
    assert.deepEqual([requests, status], [2, 200]);
    assert.deepEqual(body, BODY);
  });

  it("does not keep what must not be kept", async () => {
    answer = (_, response) => response.writeHead(200, { "cache-control": "no-store" }).end("secret");
    await get();
    await get();
    assert.equal(requests, 2);
    assert.equal(cache.size, 0);
  });

  it("forgets a URL that was written to, with all its variants", async () => {
    await get("/doc");
    await get("/doc", {}, "HEAD");
    await get("/else");
    answer = (_, response) => response.writeHead(204).end();
    await agent
      .request({ origin, path: "/doc", method: "POST", body: "new" })
      .then(({ body }) => body.dump());
    answer = (_, response) => response.writeHead(200, { "cache-control": "max-age=60" }).end("new");
    assert.equal((await get("/doc")).body.toString(), "new");
    const before = requests;
    await get("/doc", {}, "HEAD");
    assert.equal(requests, before + 1);
    assert.deepEqual((await get("/else")).body, BODY);
  });

  it("fetches again what was evicted", async () => {
    await get("/a");
    for (const key of cache.keys()) if (String(key).includes("GET")) cache.delete(key);
    assert.deepEqual((await get("/a")).body, BODY);
    assert.equal(requests, 2);
  });

  it("keeps a response that the server confirms behind its use, each time", async () => {
    answer = (request, response) => {
      const headers = { "cache-control": "max-age=1, stale-while-revalidate=60", etag: '"1"' };
      const isSame = request.headers["if-none-match"] === '"1"';
      response.writeHead(isSame ? 304 : 200, headers).end(isSame ? undefined : BODY);
      statuses.push(response.statusCode);
    };
    const statuses: number[] = [];
    await get();
    for (let round = 1; round <= 3; round++) {
      // As after 1.5 s: the times of the response are moved, so that the test need not wait.
      const [key] = [...cache.keys()].filter((each) => String(each).endsWith(" GET"));
      const { header, body } = unpack(cache.get(key));
      const { cachedAt, staleAt, ...others } = header as UndiciCacheValue;
      const aged = { ...others, cachedAt: cachedAt - 1500, staleAt: staleAt - 1500 };
      cache.set(key, pack(aged, [body]), { ttl: 60_000 });
      const old = cache.get(key) as Uint8Array;
      assert.deepEqual((await get()).body, BODY, `round ${round}`);
      const signal = AbortSignal.timeout(20_000);
      const isConfirmed = (): boolean => {
        const kept = cache.get(key) as Uint8Array | undefined;
        return statuses.length > round && kept !== undefined && Buffer.compare(kept, old) !== 0;
      };
      while (!isConfirmed()) await turn(undefined, { signal });
      const { body: kept } = unpack(cache.get(key));
      assert.deepEqual(Buffer.from(kept), BODY, `round ${round}`);
      assert.deepEqual((await get()).body, BODY);
      assert.deepEqual(statuses, [200, ...new Array<number>(round).fill(304)], "fresh, so not asked for");
    }
  });

  it("goes to the server, and fails nobody, once the cache is closed", async () => {
    const closing = new CompressedCache({ maxBytes: "1MiB" });
    const other = new Agent().compose(interceptors.cache({ store: undiciStore(closing) }));
    const ask = async (path: string, method: "GET" | "POST" = "GET"): Promise<Buffer> => {
      const { body } = await other.request({ origin, path, method });
      return Buffer.from(await body.arrayBuffer());
    };
    await ask("/a");
    answer = (_, response) => {
      response.writeHead(200, { "cache-control": "max-age=60" });
      response.write(BODY);
      closing.close();
      response.end();
    };
    assert.deepEqual(await ask("/closed-meanwhile"), BODY);
    assert.deepEqual(await ask("/a"), BODY);
    assert.deepEqual(await ask("/a"), BODY);
    assert.deepEqual(await ask("/a", "POST"), BODY);
    assert.equal(requests, 5);
    await other.close();
  });

  it("shares what one fetched with another agent over the same cache", async () => {
    await get("/shared");
    const other = new Agent().compose(interceptors.cache({ store: undiciStore(cache) }));
    const { body } = await other.request({ origin, path: "/shared", method: "GET" });
    assert.deepEqual(Buffer.from(await body.arrayBuffer()), BODY);
    assert.equal(requests, 1);
    await other.close();
  });
});

describe("the store of undici by itself", () => {
  const KEY = { origin: "http://localhost", method: "GET", path: "/", headers: {} };
  const value = (overrides: object = {}): UndiciCacheValue => ({
    statusCode: 200,
    statusMessage: "OK",
    headers: { "x-a": ["1", "2"] },
    cacheControlDirectives: { "max-age": 10 },
    cachedAt: Date.now(),
    staleAt: Date.now() + 10_000,
    deleteAt: Date.now() + 20_000,
    ...overrides,
  });

  async function write(
    cache: CompressedCache,
    body: string,
    overrides: object = {},
    key: UndiciCacheKey = KEY,
  ): Promise<void> {
    const stream = undiciStore(cache).createWriteStream(key, value(overrides));
    assert.ok(stream);
    stream.on("error", () => {});
    stream.end(body);
    await once(stream, "close");
  }

  const bodyOf = (cache: CompressedCache, key: UndiciCacheKey = KEY): string | undefined => {
    const found = undiciStore(cache).get(key);
    return found === undefined ? undefined : Buffer.concat(found.body).toString();
  };

  it("gives every member back", async () => {
    const cache = testCache();
    const given = value({ etag: '"e"', vary: { accept: "text/html", missing: null } });
    const stream = undiciStore(cache).createWriteStream({ ...KEY, headers: { accept: "text/html" } }, given);
    assert.ok(stream);
    stream.write("a");
    stream.end(Buffer.from("b"));
    await once(stream, "close");
    const found = undiciStore(cache).get({ ...KEY, headers: { accept: "text/html" } });
    assert.deepEqual({ ...found, body: found?.body.join() }, { ...given, body: "ab" });
    assert.equal(undiciStore(cache).get({ ...KEY, headers: { accept: "text/plain" } }), undefined);
    assert.equal(
      undiciStore(cache).get({ ...KEY, headers: { accept: "text/html", missing: "1" } }),
      undefined,
    );
  });

  it("ends a response at deleteAt, in the cache too; one that is over when it comes takes the older one along", async () => {
    const cache = testCache();
    await write(cache, "kept");
    const left = [...cache.keys()].filter((key) => String(key).endsWith(" GET"));
    assert.equal(left.length, 1);
    const ms = cache.getRemainingTTL(left[0]);
    assert.ok(ms > 15_000 && ms <= 20_000, `${ms} ms are left`);
    for (const deleteAt of [Date.now() - 1, Number.NaN]) {
      await write(cache, "kept");
      await write(cache, "over", { deleteAt });
      assert.equal(bodyOf(cache), undefined, String(deleteAt));
    }
  });

  it("replaces a response of the same request, also if it varies by other headers now", async () => {
    const cache = testCache();
    await write(cache, "old");
    await write(cache, "new");
    assert.equal(bodyOf(cache), "new");
    assert.equal(cache.size, 2);
    const key = { ...KEY, headers: { a: "1", b: "2", c: "3" } };
    for (const [body, vary] of [
      ["by a", { a: "1" }],
      ["by a and b", { b: "2", a: "1" }],
      ["by nothing", undefined],
      ["by a again", { a: "1" }],
    ] as const) {
      await write(cache, body, { vary }, key);
      assert.equal(bodyOf(cache, key), body);
    }
    await write(cache, "over", { deleteAt: 0, vary: { c: "3" } }, key);
    assert.equal(bodyOf(cache, key), undefined);
  });

  it("keeps thousands of variants of a URL, at a cost that does not grow, and lets them go one by one", async () => {
    const cache = testCache({ maxBytes: "2MiB" });
    const keyOf = (i: number): UndiciCacheKey => ({ ...KEY, headers: { cookie: `session=${i}` } });
    const body = "<li>one of many like it</li>".repeat(20);
    let calls = 0;
    const counted = new Proxy(cache, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          calls++;
          return (member as (...args: unknown[]) => unknown).apply(target, args);
        };
      },
    });
    const costs: number[] = [];
    for (let i = 0; i < 3000; i++) {
      calls = 0;
      await write(counted, `${i} ${body}`, { vary: keyOf(i).headers }, keyOf(i));
      costs.push(calls);
    }
    assert.ok(Math.max(...costs) < 10, `${Math.max(...costs)} calls for a response`);
    assert.equal(cache.stats().evictions, 0);
    for (let i = 0; i < 3000; i++) assert.equal(bodyOf(cache, keyOf(i)), `${i} ${body}`);
    const none = { vary: keyOf(-1).headers };
    const { evictions } = cache.stats();
    for (let i = 3000; cache.stats().evictions - evictions < 500; i++) {
      await write(cache, `${i} ${body}`, { vary: keyOf(i).headers }, keyOf(i));
      const before = cache.stats().evictions;
      if (i % 100 === 0) assert.equal(bodyOf(cache, keyOf(i - 50)), `${i - 50} ${body}`);
      assert.equal(cache.stats().evictions, before);
    }
    const there = Array.from({ length: 3000 }, (_, i) => bodyOf(cache, keyOf(i)) !== undefined);
    const gone = there.filter((is) => !is).length;
    assert.ok(gone >= 450 && gone <= 500, `${gone} of the oldest are gone`);
    assert.equal(there.lastIndexOf(false), gone - 1, "those that were there for longest");
    assert.equal(bodyOf(cache, { ...KEY, ...none }), undefined);
    undiciStore(cache).delete(KEY);
    for (let i = 0; i < 3000; i += 100) assert.equal(bodyOf(cache, keyOf(i)), undefined);
  });

  it("keeps variants by headers that are longer than a key", async () => {
    const cache = testCache();
    const keyOf = (letter: string): UndiciCacheKey => ({
      ...KEY,
      headers: { cookie: letter.repeat(20_000) },
    });
    for (const letter of ["a", "b"]) {
      await write(cache, letter, { vary: keyOf(letter).headers }, keyOf(letter));
    }
    for (const letter of ["a", "b"]) assert.equal(bodyOf(cache, keyOf(letter)), letter);
  });

  it("a URL with ever other names in Vary has a short list of them", async () => {
    const cache = testCache();
    for (let i = 0; i < 100; i++) {
      const key = { ...KEY, headers: { [`x-${i}`]: "1" } };
      await write(cache, String(i), { vary: key.headers }, key);
      assert.equal(bodyOf(cache, key), String(i));
    }
    assert.equal(bodyOf(cache, { ...KEY, headers: { "x-95": "1" } }), "95");
  });

  it("a response that was on its way when its URL was deleted is not found", async () => {
    const cache = testCache();
    await write(cache, "old");
    let deletes = true;
    // As another thread that deletes the URL in the middle of the store's work.
    const hooked = new Proxy(cache, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          if (name === "set" && deletes) {
            deletes = false;
            undiciStore(cache).delete(KEY);
          }
          return (member as (...args: unknown[]) => unknown).apply(target, args);
        };
      },
    });
    await write(hooked, "late", { vary: { a: "1" } }, { ...KEY, headers: { a: "1" } });
    assert.equal(bodyOf(cache), undefined);
    assert.equal(bodyOf(cache, { ...KEY, headers: { a: "1" } }), undefined);
  });

  it("drops a body that is too large, and the older one with it", async () => {
    const cache = testCache({ maxBytes: "1MiB" });
    await write(cache, "old");
    await write(cache, tooLarge(cache));
    assert.equal(bodyOf(cache), undefined);
    await write(cache, "old");
    cache.set = (key, value, options) => {
      Reflect.deleteProperty(cache, "set");
      assert.notEqual(value, undefined);
      cache.delete(key);
      return options === undefined ? "E2BIG" : "ENOMEM";
    };
    await write(cache, "refused");
    assert.equal(bodyOf(cache), undefined);
  });

  it("refuses what is no key, and says when others write under its keys", async () => {
    const cache = testCache();
    const store = undiciStore(cache);
    for (const key of [null, {}, { origin: "http://a" }, "key"]) {
      assert.throws(() => store.get(key as never), { code: "EINVAL" });
      assert.throws(() => store.delete(key as never), { code: "EINVAL" });
      assert.throws(() => store.createWriteStream(key as never, value()), { code: "EINVAL" });
    }
    const place = "undici http://localhost /";
    for (const foreign of [[{ method: "GET", key: "foreign" }], [], {}, "text", 1, null, Buffer.from("x")]) {
      cache.set(place, foreign);
      assert.equal(store.get(KEY), undefined);
      await write(cache, "own");
      assert.equal(bodyOf(cache), "own");
    }
    const [response] = [...cache.keys()].filter((key) => String(key).endsWith(" GET"));
    const whole = value();
    for (const foreign of [
      "text",
      pack(null, []),
      pack({ ...whole, headers: null }, []),
      pack({ ...whole, deleteAt: "1" }, []),
      pack({ ...whole, vary: 1 }, []),
    ]) {
      cache.set(response, foreign);
      assert.throws(() => store.get(KEY), { code: "EBADMSG" });
    }
  });

  it("finds nothing and keeps nothing once the cache is closed", () => {
    const cache = new CompressedCache({ maxBytes: "1MiB" });
    const store = undiciStore(cache);
    const stream = store.createWriteStream(KEY, value());
    cache.close();
    assert.equal(store.get(KEY), undefined);
    assert.equal(store.createWriteStream(KEY, value()), undefined);
    store.delete(KEY);
    stream?.end("late");
  });
});
