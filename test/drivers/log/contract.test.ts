import { registerBuiltIns } from "../../../src/drivers/index.ts";
import { poolContract } from "../../contracts/pool.ts";

registerBuiltIns();

poolContract({
  type: "log",
  canReclaim: true,
  maxObjectBytes: (pageSize) => pageSize,
  objectsPerPageMax: 4096,
  evictionsPerPageMax: 4096,
  mapsInPlace: false,
});
