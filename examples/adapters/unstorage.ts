// A compressed cache as a driver of unstorage, which Nitro and Nuxt use. Times to live are in seconds there.
import { createStorage, type Driver } from "unstorage";
import { CompressedCache } from "zbud/cache";
import { unstorageDriver } from "zbud/unstorage";

const cache = new CompressedCache({ maxBytes: "16MiB" });
const storage = createStorage();
storage.mount("cache", unstorageDriver(cache) as Driver);

await storage.setItem("cache:weather:berlin", { sky: "grey", degrees: 7 }, { ttl: 600 });
await storage.setItemRaw("cache:logo", new Uint8Array(10_000));
console.log(await storage.getItem("cache:weather:berlin"));
console.log((await storage.getKeys("cache")).sort());
console.log(await storage.getMeta("cache:weather:berlin"));
cache.close();
