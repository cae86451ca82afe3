// A compressed cache behind Keyv 5, cache-manager and cacheable. For Keyv 6 it is keyvStore instead of keyv5Store.
import { createCache } from "cache-manager";
import { Keyv } from "keyv";
import { CompressedCache } from "zbud/cache";
import { keyv5Store } from "zbud/keyv";

const cache = new CompressedCache({ maxBytes: "16MiB" });

const users = new Keyv({ store: keyv5Store(cache), namespace: "users" });
console.log(await users.set("ada", { name: "Ada", languages: ["en", "fr"] }, 60_000));
console.log(await users.get("ada"));

const manager = createCache({ stores: [new Keyv({ store: keyv5Store(cache), namespace: "pages" })] });
for (let round = 1; round <= 2; round++) {
  const page = await manager.wrap("home", () => {
    console.log("rendered once");
    return Promise.resolve("<li>one of many like it</li>".repeat(1000));
  });
  console.log(`round ${round}: a page of ${page.length} characters`);
}

await users.clear();
console.log(
  `${cache.size} entry left, in ${cache.stats().storedBytes < 1000 ? "less than 1000" : "more"} bytes`,
);
cache.close();
