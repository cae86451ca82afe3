import type { Handle } from "../../base/index.ts";
import type { DriverPool, ZpoolDriver, ZpoolOptions } from "../../zpool/index.ts";
import type { SharedZbudPool } from "./attach.ts";
import { checkOptions } from "./options.ts";
import { ZbudPool } from "./zbud-pool.ts";

/** zbud behind the pool interface: two objects a page, a page freed for at most two evictions. */
export const zbudDriver: ZpoolDriver = {
  type: "zbud",
  canReclaim: true,
  create(options: ZpoolOptions, onEvict: ((handle: Handle) => boolean) | null): DriverPool {
    return new ZbudPool({ ...checkOptions(options), onEvict: onEvict ?? undefined });
  },
  attach(shared: unknown, onEvict: ((handle: Handle) => boolean) | null): DriverPool {
    return ZbudPool.attach(shared as SharedZbudPool, { onEvict: onEvict ?? undefined });
  },
};
