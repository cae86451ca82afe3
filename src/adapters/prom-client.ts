/**
 * The counters of a cache or a page store as metrics of prom-client.
 *
 * @module
 */

import { checkNames } from "../base/index.ts";

/** What is used of prom-client's module. */
export interface PromClient {
  Gauge: new (configuration: {
    name: string;
    help: string;
    registers?: never[];
    collect(this: PromGauge): void;
  }) => unknown;
  Counter: new (configuration: {
    name: string;
    help: string;
    registers?: never[];
    collect(this: PromCounter): void;
  }) => unknown;
}

interface PromGauge {
  set(value: number): void;
}

interface PromCounter {
  reset(): void;
  inc(value: number): void;
}

/** Options of {@link collectMetrics}. */
export interface MetricsOptions {
  /** With what the metrics' names begin; default `zbud_cache`. */
  prefix?: string;
  /** Where they are registered; default prom-client's own registry. */
  registers?: readonly unknown[];
}

/** What goes up and down. Everything else only grows, and is a counter. */
const GAUGE =
  /^(?:entries|size|.*(?:Bytes|bytes|Pages|pages|objects)(?:Used|Reserved|Max|InFlight)?|records|is[A-Z].*|.*(?:Size|memUsedTotal|memUsedMax|memLimit))$/;
/** Names of a page store that look like it and are counters, as they are in zswap. */
const COUNTER = /^(?:writtenBackPages|recompressedPages)$/;

/**
 * Offers all figures of `source.stats()` to prom-client, read when they are scraped:
 * `collectMetrics(promClient, cache)`, or `collectMetrics(promClient, store, { prefix: "zbud_store" })` for a page
 * store. `hits` becomes `zbud_cache_hits_total`, `bytesUsed` becomes
 * `zbud_cache_bytes_used`; what lies in an object of its own has its name in between.
 *
 * @param client - the module prom-client.
 * @param source - anything with `stats()` in one cheap call. Threads that share a cache count together: let one of
 *   them collect.
 */
export function collectMetrics(
  client: PromClient,
  source: { stats(): object },
  options: MetricsOptions = {},
): void {
  checkNames("collectMetrics", options, ["prefix", "registers"]);
  const { prefix = "zbud_cache", registers } = options;
  const common = registers === undefined ? {} : { registers: registers as never[] };
  for (const path of figuresOf(source.stats())) {
    const last = path.at(-1) ?? "";
    const isGauge = GAUGE.test(last) && !COUNTER.test(last);
    const name = `${prefix}_${path.map(snakeCase).join("_")}${isGauge ? "" : "_total"}`;
    const help = `${path.join(".")} of stats()`;
    const read = (): number => valueAt(source.stats(), path);
    if (isGauge) {
      new client.Gauge({
        ...common,
        name,
        help,
        collect() {
          this.set(read());
        },
      });
    } else {
      new client.Counter({
        ...common,
        name,
        help,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    }
  }
}

/** Where numbers and booleans lie, in objects within objects; arrays, such as histograms, are left out. */
function figuresOf(stats: object, at: readonly string[] = []): string[][] {
  return Object.entries(stats).flatMap(([key, value]: [string, unknown]) => {
    const path = [...at, key];
    if (typeof value === "number" || typeof value === "boolean") return [path];
    const isGroup =
      typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
    return isGroup ? figuresOf(value, path) : [];
  });
}

function valueAt(stats: object, path: readonly string[]): number {
  let value: unknown = stats;
  for (const key of path) value = (value as Record<string, unknown>)[key];
  return Number(value);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
