/** The store of undici's cache interceptor: through a real agent to a real server, and by itself. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { Agent, type Dispatcher, interceptors } from "undici";
import { undiciStore } from "../../src/adapters/undici.ts";
import type { CompressedCache } from "../../src/cache/index.ts";
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
  const value = (
    overrides: object = {},
  ): Parameters<ReturnType<typeof undiciStore>["createWriteStream"]>[1] => ({
    statusCode: 200,
    statusMessage: "OK",
    headers: { "x-a": ["1", "2"] },
    cacheControlDirectives: { "max-age": 10 },
    cachedAt: Date.now(),
    staleAt: Date.now() + 10_000,
    deleteAt: Date.now() + 20_000,
    ...overrides,
  });

  async function write(cache: CompressedCache, body: string, overrides: object = {}): Promise<void> {
    const stream = undiciStore(cache).createWriteStream(KEY, value(overrides));
    stream.on("error", () => {});
    stream.end(body);
    await once(stream, "close");
  }

  it("gives every member back", async () => {
    const cache = testCache();
    const given = value({ etag: '"e"', vary: { accept: "text/html", missing: null } });
    const stream = undiciStore(cache).createWriteStream({ ...KEY, headers: { accept: "text/html" } }, given);
    stream.write("a");
    stream.end(Buffer.from("b"));
    await once(stream, "close");
    const found = undiciStore(cache).get({ ...KEY, headers: { accept: "text/html" } });
    assert.deepEqual({ ...found, body: found?.body.toString() }, { ...given, body: "ab" });
    assert.equal(undiciStore(cache).get({ ...KEY, headers: { accept: "text/plain" } }), undefined);
    assert.equal(
      undiciStore(cache).get({ ...KEY, headers: { accept: "text/html", missing: "1" } }),
      undefined,
    );
  });

  it("ends a response at deleteAt, in the cache too", async () => {
    const cache = testCache();
    await write(cache, "kept");
    const left = [...cache.keys()].map((key) => cache.getRemainingTTL(key));
    assert.ok(
      left.every((ms) => ms > 15_000 && ms <= 20_000),
      `${left} ms are left`,
    );
    await write(cache, "over", { deleteAt: Date.now() - 1 });
    assert.equal(undiciStore(cache).get(KEY)?.body.toString(), "kept");
  });

  it("replaces a response of the same request", async () => {
    const cache = testCache();
    await write(cache, "old");
    await write(cache, "new");
    assert.equal(undiciStore(cache).get(KEY)?.body.toString(), "new");
    assert.equal(cache.size, 2);
  });

  it("drops a body that is too large", async () => {
    const cache = testCache({ maxBytes: "1MiB" });
    await write(cache, tooLarge(cache));
    assert.equal(undiciStore(cache).get(KEY), undefined);
    assert.equal(cache.size, 0);
  });

  it("refuses what is no key, and says when others write under its keys", () => {
    const cache = testCache();
    const store = undiciStore(cache);
    for (const key of [null, {}, { origin: "http://a" }, "key"]) {
      assert.throws(() => store.get(key as never), { code: "EINVAL" });
      assert.throws(() => store.delete(key as never), { code: "EINVAL" });
    }
    cache.set("undici http://localhost /", [{ method: "GET", key: "foreign" }]);
    cache.set("foreign", "text");
    assert.throws(() => store.get(KEY), { code: "EBADMSG" });
  });
});
