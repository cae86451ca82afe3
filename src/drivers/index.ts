import { registerZpoolDriver } from "../zpool/index.ts";
import { slotsDriver } from "./slots/index.ts";
import { zbudDriver } from "./zbud/index.ts";
import { zsmallocDriver } from "./zsmalloc/index.ts";

registerZpoolDriver(zbudDriver);
registerZpoolDriver(slotsDriver);
registerZpoolDriver(zsmallocDriver);

export * from "./slots/index.ts";
export * from "./zbud/index.ts";
export * from "./zsmalloc/index.ts";
