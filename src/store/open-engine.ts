import { flagOption, show, ZbudError } from "../base/index.ts";
import { slotsDriver } from "../drivers/slots/index.ts";
import { Engine, type EngineHooks, type OnEvict, type SharedEngine } from "../engine/index.ts";
import { driverOf, type PoolDriver } from "../pool/index.ts";
import type { Counters } from "./counters.ts";
import { publishLater } from "./events.ts";
import type { PageStoreOptions, StoreShape } from "./options.ts";
import { workingBytes } from "./own-bytes.ts";
import { keyOf } from "./page-records.ts";

/** What a store that another thread made is opened with. */
export interface StoreParts {
  readonly shape?: StoreShape;
  readonly shared?: SharedEngine | null;
  readonly counters?: Counters;
}

/** The engine of a store, or of one that another thread made; null for a store without memory of its own. */
export function openEngine(
  options: PageStoreOptions,
  shape: StoreShape,
  shared: SharedEngine | null | undefined,
  onEvict: OnEvict,
): Engine | null {
  const { maxBytes, pageSize, poolPageSize, incompressible } = shape;
  if (maxBytes === 0) return null;
  const { backing } = options;
  const hooks: EngineHooks = {
    codec: options.codec ?? "lz4",
    onEvict,
    hasCopy: backing === undefined ? undefined : ({ k0, k1 }) => backing.has(keyOf(k0, k1)) !== false,
    onEvicted: backing === undefined ? undefined : (k0, k1) => publishLater("evict", k0, k1, "ok"),
    onChange: backing === undefined ? undefined : (k0, k1) => backing.delete(keyOf(k0, k1)),
  };
  const others = (options.drivers ?? []).map(driverOf);
  if (shared) return Engine.attach(shared, { ...hooks, drivers: [...others, slotsDriver] });
  const own = workingBytes(options, shape);
  if (maxBytes <= own) {
    throw new ZbudError(
      "EINVAL",
      `a store with pages of ${pageSize} bytes needs ${own} bytes besides those for its pages, and maxBytes is ${maxBytes}; give more`,
    );
  }
  const { driver = slotsDriver, evict = "lru", shards } = options;
  return new Engine({
    ...hooks,
    maxBytes: maxBytes - own,
    driver: driverOf(driver),
    drivers: others,
    evict,
    sameFilled: flagOption("sameFilled", options.sameFilled ?? true),
    shared: flagOption("shared", options.shared ?? false),
    poolPageSize,
    maxValueBytes: pageSize,
    averageBytes: Math.max(256, pageSize >> 2),
    incompressible: incompressible === "reject" ? "reject" : "raw",
    ...(shards === undefined ? {} : { shards }),
  });
}

/** The name by which a driver is registered. */
export function driverName(driver: string | PoolDriver): string {
  const name = typeof driver === "string" ? driver : driver?.type;
  if (typeof name === "string") return name;
  throw new ZbudError(
    "EINVAL",
    `a driver is one such as zbudDriver, or a name such as "zbud", not ${show(driver)}`,
  );
}
