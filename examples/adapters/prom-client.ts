// What a cache does, as metrics for Prometheus.
import promClient from "prom-client";
import { CompressedCache } from "zbud/cache";
import { collectMetrics } from "zbud/prom-client";

const cache = new CompressedCache({ maxBytes: "16MiB" });
collectMetrics(promClient, cache);

cache.set("key", "value");
cache.get("key");
cache.get("another");
for (const name of ["zbud_cache_hits_total", "zbud_cache_misses_total", "zbud_cache_entries"]) {
  console.log(await promClient.register.getSingleMetricAsString(name));
}
cache.close();
