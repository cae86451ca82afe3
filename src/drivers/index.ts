import { registerZpoolDriver } from "../zpool/index.ts";
import { zbudDriver } from "./zbud/index.ts";

registerZpoolDriver(zbudDriver);

export * from "./zbud/index.ts";
