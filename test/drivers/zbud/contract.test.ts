import { registerBuiltIns } from "../../../src/drivers/index.ts";
import { poolContract } from "../../contracts/pool.ts";

registerBuiltIns();

poolContract({
  type: "zbud",
  canReclaim: true,
  maxObjectBytes: (pageSize) => pageSize - (2 * pageSize) / 64,
  objectsPerPageMax: 2,
  evictionsPerPageMax: 2,
  mapsInPlace: true,
});
