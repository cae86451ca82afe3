// The module that next.config names: `cacheComponents: true, cacheHandlers: { default: require.resolve("./cache-handler.mjs") }`.
// There, the handler is its default export. Here, it is called as Next.js does.
import { CompressedCache } from "zbud/cache";
import { nextCacheHandler } from "zbud/next";

const cache = new CompressedCache({ maxBytes: "256MiB" });
const handler = nextCacheHandler(cache);

const rendered = new Blob(["<li>one of many like it</li>".repeat(1000)]);
await handler.set(
  "products",
  Promise.resolve({
    value: rendered.stream(),
    tags: ["products"],
    stale: 300,
    timestamp: Date.now(),
    expire: 86_400,
    revalidate: 900,
  }),
);
const entry = await handler.get("products", []);
console.log(
  `${(await new Response(entry?.value).text()).length} characters, revalidated every ${entry?.revalidate} s`,
);

await new Promise((resolve) => setTimeout(resolve, 5));
await handler.updateTags(["products"]); // what revalidateTag() and updateTag() come to
console.log(`after its tag was revalidated: ${await handler.get("products", [])}`);
cache.close();
