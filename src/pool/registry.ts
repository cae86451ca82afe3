import { show, ZbudError } from "../base/index.ts";
import type { PoolDriver } from "./driver.ts";
import { Pool } from "./pool.ts";

const drivers = new Map<string, PoolDriver>();
const openPools = new Map<string, number>();

/**
 * Adds an allocator under `driver.type`.
 *
 * @throws {ZbudError} `EEXIST` if the type is taken; `EINVAL` if `driver` is not a driver.
 */
export function registerDriver(driver: PoolDriver): void {
  const { type, canReclaim, create } = driver ?? {};
  if (typeof type !== "string" || type === "" || typeof create !== "function") {
    throw new ZbudError(
      "EINVAL",
      `a driver has a type (a name) and a create function; ${show(driver)} has not`,
    );
  }
  if (typeof canReclaim !== "boolean") {
    throw new ZbudError(
      "EINVAL",
      `canReclaim of driver ${show(type)} must be true or false, not ${show(canReclaim)}`,
    );
  }
  if (drivers.has(type)) {
    throw new ZbudError("EEXIST", `a driver of type ${show(type)} is registered; unregister it first`);
  }
  drivers.set(type, driver);
}

/**
 * Takes an allocator out again.
 *
 * @throws {ZbudError} `ENOENT` if there is none of this type; `EBUSY` while a zpool, a store or a cache has a pool of
 *   it open. One that was dropped without `close()` counts as open for ever.
 */
export function unregisterDriver(type: string): void {
  driverNamed(type);
  const open = openPools.get(type) ?? 0;
  if (open > 0) {
    throw new ZbudError(
      "EBUSY",
      open === 1
        ? `a pool of type ${show(type)} is still open; close it first`
        : `${open} pools of type ${show(type)} are still open; close them first`,
    );
  }
  drivers.delete(type);
}

/** The types that are registered, in the order of their registration. */
export function driverTypes(): string[] {
  return [...drivers.keys()];
}

/** Whether a driver of this type is registered. */
export function hasDriver(type: string): boolean {
  return drivers.has(type);
}

/** @throws {ZbudError} `ENOENT` naming the types that exist. */
export function driverNamed(type: string): PoolDriver {
  const driver = drivers.get(type);
  if (driver === undefined) {
    const known = driverTypes().join(", ") || "none; import the package, not only its registry";
    throw new ZbudError("ENOENT", `no driver of type ${show(type)}; registered: ${known}`);
  }
  return driver;
}

/** @throws {ZbudError} `EINVAL` if a driver made something else than a pool. */
export function checkMade(driver: PoolDriver, pool: unknown): Pool {
  if (pool instanceof Pool) return pool;
  throw new ZbudError(
    "EINVAL",
    `the driver of type ${show(driver.type)} made no pool but ${show(pool)}; mend the driver`,
  );
}

/** Counts a pool of this type as open (1) or closed (-1). */
export function countOpenPools(type: string, change: 1 | -1): void {
  openPools.set(type, (openPools.get(type) ?? 0) + change);
}
