import { checkNames, show, ZbudError } from "../base/index.ts";
import { unlessClosed } from "./keys.ts";

/** What is used of prom-client's module. */
export interface PromClient {
  Gauge: new (configuration: {
    name: string;
    help: string;
    registers: never[];
    collect(this: PromGauge): void;
  }) => unknown;
  Counter: new (configuration: {
    name: string;
    help: string;
    registers: never[];
    collect(this: PromCounter): void;
  }) => unknown;
  /** The registry for everything that names no other. */
  register: PromRegistry;
}

interface PromGauge {
  set(value: number): void;
  remove(): void;
}

interface PromCounter {
  reset(): void;
  inc(value: number): void;
  remove(): void;
}

interface PromRegistry {
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
}

/** Options of {@link collectMetrics}. */
export interface MetricsOptions {
  /** With what the metrics' names begin; default `zbud_cache`. */
  prefix?: string;
  /** Where they are registered; default prom-client's own registry. */
  registers?: readonly unknown[];
}

/** What {@link collectMetrics} gave. */
export interface CollectedMetrics {
  /** Takes the metrics out of the registries again. Once is enough; more often does nothing. */
  end(): void;
  [Symbol.dispose](): void;
}

/** What goes up and down. Everything else only grows, and is a counter. */
const GAUGE =
  /^(?:entries|size|density|utilisation|.*(?:Bytes|bytes|Pages|pages|objects)(?:Used|Reserved|Max|InFlight)?|records|maxRecords|is[A-Z].*|.*(?:Size|memUsedTotal|memUsedMax|memLimit|learnedMax))$/;
/** Names of a page store that look like it and are counters, as they are in zswap. */
const COUNTER = /^(?:writtenBackPages|recompressedPages)$/;

/**
 * Offers all figures of `source.stats()` to prom-client, read when they are scraped:
 * `collectMetrics(promClient, cache)`, or `collectMetrics(promClient, store, { prefix: "zbud_store" })` for a page
 * store. `hits` becomes `zbud_cache_hits_total`, `bytesUsed` becomes
 * `zbud_cache_bytes_used`; what lies in an object of its own has its name in between.
 *
 * Once `source` was closed, the next scrape ends it: a closed cache reports nothing.
 *
 * @param client - the module prom-client.
 * @param source - anything with `stats()` in one cheap call. Threads that share a cache count together: let one of
 *   them collect.
 * @throws {ZbudError} `EINVAL` for what is something else; `EEXIST` if a registry has a metric of such a name, of another cache perhaps: nothing is
 *   registered then.
 */
export function collectMetrics(
  client: PromClient,
  source: { stats(): object },
  options: MetricsOptions = {},
): CollectedMetrics {
  checkNames("collectMetrics", options, ["prefix", "registers"]);
  checkArguments(client, source, options);
  const { prefix = "zbud_cache" } = options;
  const registers = (options.registers ?? [client.register]) as readonly PromRegistry[];
  const paths = figuresOf(source.stats());
  const metrics = new Map<string, unknown>();
  for (const path of paths) {
    const name = nameOf(prefix, path);
    if (registers.every((registry) => registry.getSingleMetric(name) === undefined)) continue;
    throw new ZbudError(
      "EEXIST",
      `there is a metric ${name} already; give each cache a prefix of its own, or call end() of what collects for the other`,
    );
  }
  const end = (): void => {
    for (const registry of registers) {
      for (const [name, metric] of metrics) {
        if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name);
      }
    }
    metrics.clear();
  };
  const read = (path: readonly string[]): number | undefined => {
    const stats = unlessClosed(() => source.stats(), undefined);
    if (stats === undefined) end();
    return stats === undefined ? undefined : valueAt(stats, path);
  };
  for (const path of paths) {
    const common = {
      name: nameOf(prefix, path),
      help: `${path.join(".")} of stats()`,
      registers: registers as never[],
    };
    const metric = isGauge(path)
      ? gauge(client, common, () => read(path))
      : counter(client, common, () => read(path));
    metrics.set(common.name, metric);
  }
  return { end, [Symbol.dispose]: end };
}

function checkArguments(client: unknown, source: unknown, options: MetricsOptions): void {
  const { Gauge, Counter } = (client ?? {}) as Partial<PromClient>;
  if (typeof Gauge !== "function" || typeof Counter !== "function") {
    throw new ZbudError(
      "EINVAL",
      `the first argument of collectMetrics must be the module prom-client (import promClient from "prom-client"), not ${show(client)}`,
    );
  }
  if (typeof (source as { stats?: unknown } | null)?.stats !== "function") {
    throw new ZbudError(
      "EINVAL",
      `the second argument of collectMetrics must have stats(), as a cache has, not ${show(source)}`,
    );
  }
  const { prefix, registers } = options;
  if (prefix !== undefined && !/^[a-z_:][\w:]*$/i.test(prefix)) {
    throw new ZbudError(
      "EINVAL",
      `prefix must be letters, digits and _, and begin with no digit, not ${show(prefix)}`,
    );
  }
  if (registers !== undefined && !Array.isArray(registers)) {
    throw new ZbudError(
      "EINVAL",
      `registers must be an array, such as [new promClient.Registry()], not ${show(registers)}`,
    );
  }
}

interface Common {
  name: string;
  help: string;
  registers: never[];
}

function gauge(client: PromClient, common: Common, read: () => number | undefined): unknown {
  return new client.Gauge({
    ...common,
    collect() {
      const value = read();
      if (value === undefined) this.remove();
      else this.set(value);
    },
  });
}

function counter(client: PromClient, common: Common, read: () => number | undefined): unknown {
  return new client.Counter({
    ...common,
    collect() {
      const value = read();
      this.reset();
      if (value === undefined) this.remove();
      // Counts that threads change meanwhile are read one by one: what is left of two may be below 0 for a moment.
      else this.inc(Math.max(value, 0));
    },
  });
}

function isGauge(path: readonly string[]): boolean {
  const last = path.at(-1) ?? "";
  return GAUGE.test(last) && !COUNTER.test(last);
}

/** With the ending that Prometheus wants of a counter. */
function nameOf(prefix: string, path: readonly string[]): string {
  return `${prefix}_${path.map(snakeCase).join("_")}${isGauge(path) ? "" : "_total"}`;
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

/** Undefined for what is not there any more. */
function valueAt(stats: object, path: readonly string[]): number | undefined {
  let value: unknown = stats;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === "number" || typeof value === "boolean" ? Number(value) : undefined;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
