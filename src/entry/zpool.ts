/**
 * zpool: the interface of the Linux kernel's allocators for compressed pages, over the pools of this library. A
 * registry of drivers by name, and a pool with the names that zswap knows.
 *
 * @module
 */
import { withBuiltIns } from "../drivers/index.ts";
import { driverTypes, hasDriver, registerDriver, unregisterDriver } from "../pool/index.ts";
import { attachZpool as attach, createZpool as create } from "../zpool/index.ts";

export { Zpool } from "../zpool/index.ts";

// As in index.ts: what finds drivers by name brings the built-in ones along.

/** Makes a pool of the given type; `ENOENT` for an unknown type, naming those that exist. */
export const createZpool: typeof create = /* @__PURE__ */ withBuiltIns(create);

/** Opens a pool that another thread made, from what its `share()` gave. */
export const attachZpool: typeof attach = /* @__PURE__ */ withBuiltIns(attach);

/** Adds an allocator under `driver.type`; `EEXIST` if the type is taken. */
export const registerZpoolDriver: typeof registerDriver = /* @__PURE__ */ withBuiltIns(registerDriver);

/** Takes an allocator out again; `EBUSY` while a pool of it is open. */
export const unregisterZpoolDriver: typeof unregisterDriver = /* @__PURE__ */ withBuiltIns(unregisterDriver);

/** Whether a driver of this type is registered. */
export const hasZpoolDriver: typeof hasDriver = /* @__PURE__ */ withBuiltIns(hasDriver);

/** The types that are registered, in the order of their registration. */
export const zpoolTypes: typeof driverTypes = /* @__PURE__ */ withBuiltIns(driverTypes);
