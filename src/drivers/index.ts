import { registerZpoolDriver } from "../zpool/index.ts";
import { slotsDriver } from "./slots/index.ts";
import { zbudDriver } from "./zbud/index.ts";

registerZpoolDriver(zbudDriver);
registerZpoolDriver(slotsDriver);

export * from "./slots/index.ts";
export * from "./zbud/index.ts";
