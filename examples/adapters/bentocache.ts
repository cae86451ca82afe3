// A compressed cache as the memory of bentocache. Workers that attach to it share it, without a bus.
import { BentoCache, bentostore } from "bentocache";
import { bentoDriver } from "zbud/bentocache";
import { CompressedCache } from "zbud/cache";

const cache = new CompressedCache({ maxBytes: "16MiB" });
const bento = new BentoCache({
  default: "memory",
  stores: { memory: bentostore().useL1Layer(bentoDriver({ cache, prefix: "app" })) },
});

let loads = 0;
const load = (): { name: string; load: number } => ({ name: "Ada", load: ++loads });
for (let i = 0; i < 3; i++) {
  console.log(await bento.getOrSet({ key: "user:1", factory: load, ttl: "5m", grace: "1h" }));
}
await bento.disconnectAll();
cache.close();
