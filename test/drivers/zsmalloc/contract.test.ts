import { registerBuiltIns } from "../../../src/drivers/index.ts";
import { poolContract } from "../../contracts/pool.ts";

registerBuiltIns();

poolContract({
  type: "zsmalloc",
  canReclaim: true,
  maxObjectBytes: (pageSize) => pageSize,
  objectsPerPageMax: 128,
  evictionsPerPageMax: 256,
  mapsInPlace: false,
});
