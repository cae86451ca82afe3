import { show, ZbudError } from "../base/index.ts";
import type { ZpoolDriver } from "./types.ts";

const drivers = new Map<string, ZpoolDriver>();
const openPools = new Map<string, number>();

/**
 * Adds an allocator under `driver.type`.
 *
 * @throws {ZbudError} `EEXIST` if the type is taken; `EINVAL` if `driver` is not a driver.
 */
export function registerZpoolDriver(driver: ZpoolDriver): void {
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
 * @throws {ZbudError} `ENOENT` if there is none of this type; `EBUSY` while a pool of it is open. A pool that
 *   was dropped without `close()` counts as open for ever.
 */
export function unregisterZpoolDriver(type: string): void {
  driverOf(type);
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
export function zpoolTypes(): string[] {
  return [...drivers.keys()];
}

/** Whether a driver of this type is registered. */
export function hasZpoolDriver(type: string): boolean {
  return drivers.has(type);
}

/** @throws {ZbudError} `ENOENT` naming the types that exist. */
export function driverOf(type: string): ZpoolDriver {
  const driver = drivers.get(type);
  if (driver === undefined) {
    const known = zpoolTypes().join(", ") || "none; import the package, not only its registry";
    throw new ZbudError("ENOENT", `no zpool driver of type ${show(type)}; registered: ${known}`);
  }
  return driver;
}

/** Counts a pool of this type as open (1) or closed (-1). */
export function countOpenPools(type: string, change: 1 | -1): void {
  openPools.set(type, (openPools.get(type) ?? 0) + change);
}
