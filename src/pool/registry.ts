import { show, ZbudError } from "../base/index.ts";
import type { PoolDriver } from "./driver.ts";
import { Pool } from "./pool.ts";

/** What the package brings along, and the root entry registers. */
const BUILT_IN = ["zbud", "slots", "zsmalloc", "size-classes", "log"];

const drivers = new Map<string, PoolDriver>();
const openPools = new Map<string, number>();

/**
 * Adds an allocator under `driver.type`.
 *
 * @throws {ZbudError} `EEXIST` if the type is taken; `EINVAL` if `driver` is not a driver.
 */
export function registerDriver(driver: PoolDriver): void {
  const { type } = checkDriver(driver);
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

/** @throws {ZbudError} `ENOENT` naming the types that exist, or what to import. */
export function driverNamed(type: string): PoolDriver {
  const driver = drivers.get(type);
  if (driver !== undefined) return driver;
  if (BUILT_IN.includes(type)) {
    const value = `${type.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())}Driver`;
    throw new ZbudError(
      "ENOENT",
      `no driver ${show(type)} is registered; pass it as a value (import { ${value} } from "zbud/drivers/${type}")`,
    );
  }
  const known = driverTypes().join(", ") || "none";
  throw new ZbudError("ENOENT", `no driver ${show(type)} is registered; registered: ${known}`);
}

/**
 * The driver that an option means.
 *
 * @param value - a driver, or the type of a registered one.
 * @throws {ZbudError} `ENOENT` for a type that is not registered, saying what to import; `EINVAL` for what is no driver.
 */
export function driverOf(value: unknown): PoolDriver {
  if (typeof value === "string") return driverNamed(value);
  if (typeof value === "object" && value !== null) return checkDriver(value as PoolDriver);
  throw new ZbudError(
    "EINVAL",
    `driver must be a driver such as slotsDriver, or the name of a registered one such as "slots", not ${show(value)}`,
  );
}

/** @throws {ZbudError} `EINVAL` for what is no driver, naming what it has not. */
export function checkDriver(driver: PoolDriver): PoolDriver {
  const { type, canReclaim, create, attach, footprint } = driver ?? {};
  if (typeof type !== "string" || type === "" || typeof create !== "function") {
    throw new ZbudError(
      "EINVAL",
      `a driver must have a type (a name) and a create function, not ${show(driver)}`,
    );
  }
  for (const [name, member] of Object.entries({ attach, footprint })) {
    if (typeof member === "function") continue;
    throw new ZbudError("EINVAL", `driver ${show(type)} needs a function ${name}, and has ${show(member)}`);
  }
  if (typeof canReclaim !== "boolean") {
    throw new ZbudError(
      "EINVAL",
      `canReclaim of driver ${show(type)} must be true or false, not ${show(canReclaim)}`,
    );
  }
  return driver;
}

/** @throws {ZbudError} `EINVAL` if a driver made something else than a pool. */
export function checkMade(driver: PoolDriver, pool: unknown): Pool {
  if (pool instanceof Pool) return pool;
  throw new ZbudError(
    "EINVAL",
    `the driver of type ${show(driver.type)} made ${show(pool)}, which is not a pool; correct the driver`,
  );
}

/** Counts a pool of this type as open (1) or closed (-1). */
export function countOpenPools(type: string, change: 1 | -1): void {
  openPools.set(type, (openPools.get(type) ?? 0) + change);
}
