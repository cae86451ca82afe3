// What a cache does, as metrics for Prometheus.
import promClient from "prom-client";
import { CompressedCache } from "zbud/cache";
import { collectMetrics } from "zbud/prom-client";

const cache = new CompressedCache({ maxBytes: "16MiB" });
const metrics = collectMetrics(promClient, cache);

console.log(cache.set("key", "value"), cache.get("key"), cache.get("another"));
for (const name of ["zbud_cache_hits_total", "zbud_cache_misses_total", "zbud_cache_entries"]) {
  console.log(await promClient.register.getSingleMetricAsString(name));
}
// A closed cache reports nothing: the next scrape would take the metrics out too.
metrics.end();
cache.close();
console.log(`${promClient.register.getMetricsAsArray().length} metrics are left`);
