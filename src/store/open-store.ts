import { flagOption, sharedOption, show, ZbudError } from "../base/index.ts";
import { logDriver } from "../drivers/log/index.ts";
import { zbudDriver } from "../drivers/zbud/index.ts";
import {
  driversOf,
  ENGINE_LAYOUT,
  Engine,
  type EngineHooks,
  type EngineOptions,
  type MemoryFollower,
  type OnEvict,
  type SharedEngine,
  shapeOf,
} from "../engine/index.ts";
import {
  type Agreement,
  Segment,
  type SharedMemory,
  threadsMemory,
  whenDifferentOption,
} from "../memory/index.ts";
import { driverOf, type PoolDriver } from "../pool/index.ts";
import { COUNTERS_BYTES, Counters } from "./counters.ts";
import { publishLater } from "./events.ts";
import { followerOf } from "./limit.ts";
import { fixedPageSizeFor, type PageStoreOptions, type StoreShape } from "./options.ts";
import { workingBytes } from "./own-bytes.ts";
import { keyOf } from "./page-records.ts";
import type { SharedPageStore } from "./types.ts";

/** What a store that another thread made is opened with. */
export interface StoreParts {
  readonly shape?: StoreShape;
  readonly shared?: SharedEngine | null;
  readonly counters?: Counters;
}

/** What a store works on. */
export interface OpenStore {
  /** Null: the limit is 0. */
  readonly engine: Engine | null;
  readonly counters: Counters;
  /** Null: the limit stays. */
  readonly follower: MemoryFollower | null;
}

/** Version of a store's own layout. */
export const LAYOUT_VERSION = 3;
/** Version of all that lies in a store's memory. */
export const STORE_LAYOUT: string = `store ${LAYOUT_VERSION} ${ENGINE_LAYOUT}`;

/**
 * Makes what a store works on, or opens what another thread made; with a name in `shared`, what processes have under it.
 *
 * @throws {ZbudError} as the constructor of the store.
 */
export function openStore(
  options: PageStoreOptions,
  shape: StoreShape,
  parts: StoreParts,
  onEvict: OnEvict,
): OpenStore {
  const { shared = false } = options;
  if (parts.counters !== undefined) {
    return opened(engineOf(options, shape, parts.shared, onEvict, null), parts.counters, shape, false);
  }
  if (typeof shared === "string") return openNamed(shared, options, shape, onEvict);
  const memory = sharedOption(shared) === true ? threadsMemory : null;
  const counters = new Counters(memory?.buffer(COUNTERS_BYTES) ?? new ArrayBuffer(COUNTERS_BYTES));
  return opened(engineOf(options, shape, undefined, onEvict, memory), counters, shape, true);
}

/** An engine that follows the machine, if it is to; or closed again. */
function opened(engine: Engine | null, counters: Counters, shape: StoreShape, isNew: boolean): OpenStore {
  try {
    return { engine, counters, follower: followerOf(engine, shape, isNew) };
  } catch (error) {
    engine?.close();
    throw error;
  }
}

function openNamed(name: string, options: PageStoreOptions, shape: StoreShape, onEvict: OnEvict): OpenStore {
  if (shape.maxBytes === 0) {
    throw new ZbudError(
      "EINVAL",
      `a store with maxBytes 0 has no memory that processes could share; leave shared: ${show(name)} out`,
    );
  }
  const { backing } = options;
  if (backing !== undefined && !("share" in backing)) {
    throw new ZbudError(
      "ENOTSUP",
      `a ${backing.name} backing store keeps the order of calls in one thread only; take a file to share the store between processes`,
    );
  }
  const wish = {
    name,
    kind: "store",
    layout: STORE_LAYOUT,
    agreement: agreementOf(options, shape),
    whenDifferent: whenDifferentOption(options.whenDifferent),
  };
  const { made } = Segment.open(
    wish,
    (segment) => {
      const counters = new Counters(segment.buffer(COUNTERS_BYTES));
      const engine = engineOf(options, shape, undefined, onEvict, segment) as Engine;
      const shared = { engine: engine.share(), counters: counters.buffer, ...sharedShape(options, shape) };
      // Before the file has its name: what comes of a wrong limit is no memory that refuses the right one.
      return { made: opened(engine, counters, shape, true), shared, threads: engine.threads };
    },
    (sent) => {
      const shared = sent as SharedPageStore;
      const counters = new Counters(shared.counters);
      return opened(engineOf(options, shape, shared.engine, onEvict, null), counters, shape, false);
    },
    ({ engine, follower }) => {
      follower?.close();
      engine?.close();
    },
  );
  return made;
}

/** What `share()` gives beside engine and counters. */
export function sharedShape(
  { backing }: Pick<PageStoreOptions, "backing">,
  shape: StoreShape,
): Pick<SharedPageStore, "store" | "shape" | "hasBacking" | "backingId"> {
  return { store: LAYOUT_VERSION, shape, hasBacking: backing !== undefined, backingId: backing?.id ?? null };
}

/** What all processes must agree about. */
function agreementOf(options: PageStoreOptions, shape: StoreShape): Agreement {
  const chosen = engineOptions(options, shape, null);
  const { shards, maxEntrySize, drivers } = shapeOf(chosen, driversOf(chosen));
  const { evict, sameFilled } = chosen;
  return {
    ...shape,
    drivers: drivers.join(", "),
    evict: evict ?? null,
    sameFilled: sameFilled ?? null,
    shards,
    maxEntrySize,
    backing: options.backing?.id ?? options.backing?.name ?? null,
  };
}

/** The engine of a store, or of one that another thread made; null for a store without memory of its own. */
function engineOf(
  options: PageStoreOptions,
  shape: StoreShape,
  shared: SharedEngine | null | undefined,
  onEvict: OnEvict,
  memory: SharedMemory | null,
): Engine | null {
  if (shape.maxBytes === 0) return null;
  const { backing } = options;
  const hooks: EngineHooks = {
    codec: options.codec ?? "lz4",
    onEvict,
    hasCopy: backing === undefined ? undefined : ({ k0, k1 }) => backing.has(keyOf(k0, k1)) !== false,
    onEvicted: backing === undefined ? undefined : (k0, k1) => publishLater("evict", k0, k1, "ok"),
    onChange: backing === undefined ? undefined : (k0, k1) => backing.delete(keyOf(k0, k1)),
  };
  if (shared) {
    const others = (options.drivers ?? []).map(driverOf);
    return Engine.attach(shared, {
      ...hooks,
      drivers: [...others, driverOf(options.driver ?? logDriver), logDriver, zbudDriver],
    });
  }
  return new Engine({ ...hooks, ...engineOptions(options, shape, memory) });
}

/** What follows from a store's options for its engine. */
function engineOptions(
  options: PageStoreOptions,
  shape: StoreShape,
  memory: SharedMemory | null,
): EngineOptions {
  const { maxBytes, pageSize, poolPageSize, incompressible } = shape;
  const own = workingBytes(options, shape);
  if (maxBytes <= own) {
    throw new ZbudError(
      "EINVAL",
      `a store with pages of ${pageSize} bytes needs ${own} bytes besides those for its pages, and maxBytes is ${maxBytes}; give more`,
    );
  }
  const { evict = "lru", shards, shared = false } = options;
  // By pages there are at most two evictions for each.
  const { driver = evict === "page" ? zbudDriver : logDriver } = options;
  return {
    maxBytes: maxBytes - own,
    driver: driverOf(driver),
    drivers: (options.drivers ?? []).map(driverOf),
    evict,
    sameFilled: flagOption("sameFilled", options.sameFilled ?? true),
    shared: shared !== false,
    ...(memory === null ? {} : { memory }),
    ...(poolPageSize === null ? {} : { poolPageSize }),
    fixedPageSize: fixedPageSizeFor(pageSize),
    maxValueBytes: pageSize,
    averageBytes: Math.max(256, pageSize >> 2),
    incompressible: incompressible === "reject" ? "reject" : "raw",
    ...(options.giveBack === undefined ? {} : { giveBack: flagOption("giveBack", options.giveBack) }),
    ...(shards === undefined ? {} : { shards }),
  };
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
