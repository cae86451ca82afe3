/** One machine of several: a process with a cache on a server, that does what it is told. */

import { Redis } from "ioredis";
import { redisTier } from "../../src/adapters/redis.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { heard } from "./fleet.ts";

/** What the parent may ask for; each is answered with `{ id, result }`. */
export type Order =
  | { do: "set"; key: string; value: unknown; tags?: string[] }
  | { do: "delete"; key: string }
  | { do: "deleteByTag"; tag: string }
  | { do: "clear" }
  | { do: "get" | "getAsync" | "load" | "loadForEver"; key: string };

const [url, shared] = process.argv.slice(2);
const client = new Redis(url);
const tier = await redisTier(client, { heartbeatMs: 100, lockMs: 500 });
const cache = new CompressedCache<unknown>({
  maxBytes: "2MiB",
  tags: true,
  backing: tier,
  ...(shared === undefined ? {} : { shared }),
});
await heard(cache);

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case "set":
      cache.set(order.key, order.value, { tags: order.tags ?? [] });
      return await cache.flush();
    case "delete":
      cache.delete(order.key);
      return await cache.flush();
    case "deleteByTag":
      cache.deleteByTag(order.tag);
      return await cache.flush();
    case "clear":
      cache.clear();
      return await cache.flush();
    case "get":
      return cache.get(order.key);
    case "getAsync":
      return await cache.getAsync(order.key);
    case "load":
      return await cache.getOrSet(order.key, () => {
        process.send?.({ loads: order.key });
        return `by ${process.pid}`;
      });
    case "loadForEver":
      return await cache.getOrSet(order.key, async () => {
        process.send?.({ loads: order.key });
        return await new Promise<never>(() => undefined);
      });
  }
}

process.on("message", ({ id, order }: { id: number; order: Order }) => {
  void obey(order).then((result) => process.send?.({ id, result }));
});
process.send?.({ ready: true });
