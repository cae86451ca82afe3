/** Values of more than 1 MiB, which a cache keeps in blocks, through each adapter that keeps values. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { createStorage, type Driver } from "unstorage";
import { keyv5Store, keyvStore } from "../../src/adapters/keyv.ts";
import { nextCacheHandler } from "../../src/adapters/next.ts";
import { undiciStore } from "../../src/adapters/undici.ts";
import { unstorageDriver } from "../../src/adapters/unstorage.ts";
import { testCache } from "./caches.ts";

const LENGTHS = [2 ** 20, 2 ** 20 + 1, 5_000_000, 2 ** 26 - 1000];

/** Bytes that compress, and of which no two blocks are alike. */
function bytesOf(length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(length, "a value of many blocks, ");
  for (let at = 0; at < length; at += 997) bytes[at] = 0x41 + ((at >>> 10) % 26);
  return bytes;
}

describe("adapters keep values of more than 1 MiB", () => {
  for (const length of LENGTHS) {
    const bytes = bytesOf(length);
    const open = () => testCache({ maxBytes: "64MiB" });

    it(`undici: ${length} bytes`, async () => {
      const store = undiciStore(open());
      const key = { origin: "http://localhost", method: "GET", path: "/", headers: {} };
      const now = Date.now();
      const response = { statusCode: 200, statusMessage: "", headers: {}, cachedAt: now, staleAt: now + 9e5 };
      const stream = store.createWriteStream(key, { ...response, deleteAt: now + 9e5 });
      assert.ok(stream !== undefined);
      for (let at = 0; at < length; at += 300_000) stream.write(bytes.subarray(at, at + 300_000));
      stream.end();
      await once(stream, "finish");
      assert.ok(store.get(key)?.body[0].equals(bytes));
    });

    it(`Next.js: ${length} bytes`, async () => {
      const handler = nextCacheHandler(open());
      const value = new Blob([bytes]).stream();
      const times = { stale: 60, timestamp: Date.now(), expire: 600, revalidate: 60 };
      await handler.set("page", Promise.resolve({ value, tags: [], ...times }));
      const found = await handler.get("page", []);
      assert.ok(Buffer.from(await new Response(found?.value).arrayBuffer()).equals(bytes));
    });

    it(`unstorage and Keyv: ${length} bytes`, async () => {
      const cache = open();
      const storage = createStorage({ driver: unstorageDriver(cache) as Driver });
      await storage.setItemRaw("raw", bytes);
      assert.ok((await storage.getItemRaw<Buffer>("raw"))?.equals(bytes));
      const text = bytes.toString("latin1");
      await storage.setItem("text", text);
      assert.ok((await storage.getItem("text")) === text);
      for (const store of [keyvStore(cache), keyv5Store(cache)]) {
        assert.equal(await store.set("key", { text }), true);
        assert.ok((await store.get<{ text: string }>("key"))?.text === text);
      }
    });
  }
});
