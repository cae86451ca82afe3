/**
 * zpool: the interface of the Linux kernel's allocators for compressed pages, over the pools of this library. A
 * registry of drivers by name, and a pool with the names that zswap knows.
 *
 * @module
 */
import "../drivers/index.ts";

export {
  driverTypes as zpoolTypes,
  hasDriver as hasZpoolDriver,
  registerDriver as registerZpoolDriver,
  unregisterDriver as unregisterZpoolDriver,
} from "../pool/index.ts";
export { attachZpool, type CreateZpoolOptions, createZpool, Zpool } from "./zpool.ts";
