import { checkNames, show, ZbudError } from "../base/index.ts";
import {
  driverNamed,
  type EvictHandler,
  makePool,
  type Pool,
  type PoolDriver,
  registerDriver,
  type SharedPool,
} from "../pool/index.ts";
import { type LogPoolOptions, logDriver } from "./log/index.ts";
import { type SizeClassPoolOptions, sizeClassesDriver } from "./size-classes/index.ts";
import { type SlotsPoolOptions, slotsDriver } from "./slots/index.ts";
import { type ZbudPoolOptions, zbudDriver } from "./zbud/index.ts";
import { type ZsmallocPoolOptions, zsmallocDriver } from "./zsmalloc/index.ts";

/** The drivers that come with the library. */
const BUILT_IN: readonly PoolDriver[] = [
  zbudDriver,
  slotsDriver,
  zsmallocDriver,
  sizeClassesDriver,
  logDriver,
];

let registered = false;

/** Registers the built-in drivers, once; one that was taken out again stays out. */
export function registerBuiltIns(): void {
  if (registered) return;
  registered = true;
  for (const driver of BUILT_IN) registerDriver(driver);
}

/**
 * `value`, once the built-in drivers are registered. A bundler keeps the drivers wherever the value is used, and
 * leaves them out elsewhere.
 */
export function withBuiltIns<T>(value: T): T {
  registerBuiltIns();
  return value;
}

/** Options of {@link createPool}: those of the driver. */
export type CreatePoolOptions =
  | ZbudPoolOptions
  | SlotsPoolOptions
  | ZsmallocPoolOptions
  | SizeClassPoolOptions
  | LogPoolOptions;

/**
 * Makes a pool; the same as `new ZbudPool(options)` and its like do.
 *
 * @param driver - `"zbud"`, `"slots"`, `"zsmalloc"`, `"size-classes"`, `"log"`, the name of a registered driver, or a driver.
 * @throws {ZbudError} `ENOENT` for an unknown name, naming those that exist; `EINVAL` naming a bad option;
 *   `ENOMEM` if its address space cannot be reserved.
 */
export function createPool(driver: string | PoolDriver, options: CreatePoolOptions): Pool {
  registerBuiltIns();
  const found = typeof driver === "string" ? driverNamed(driver) : driver;
  if (typeof found?.create !== "function") {
    throw new ZbudError(
      "EINVAL",
      `createPool takes a driver, such as "zbud", and its options, not ${show(driver)} first`,
    );
  }
  return makePool(found, options);
}

/**
 * Opens a pool that another thread made.
 *
 * @param shared - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread reclaims.
 * @throws {ZbudError} `ENOENT` if its driver is not registered in this thread; `EINVAL` if `shared` is no such
 *   thing; `EBADMSG` if its buffers hold no pool; `EBUSY` if too many threads use it.
 */
export function attachPool(shared: SharedPool, options: { onEvict?: EvictHandler } = {}): Pool {
  if (typeof shared?.type !== "string") {
    throw new ZbudError("EINVAL", `attachPool takes what share() of a pool gave, not ${show(shared)}`);
  }
  checkNames("attachPool", options, ["onEvict"]);
  registerBuiltIns();
  return driverNamed(shared.type).attach(shared, options);
}
