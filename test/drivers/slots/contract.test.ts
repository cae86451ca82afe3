import { registerBuiltIns } from "../../../src/drivers/index.ts";
import { poolContract } from "../../contracts/pool.ts";

registerBuiltIns();

poolContract({
  type: "slots",
  canReclaim: true,
  maxObjectBytes: (pageSize) => pageSize,
  objectsPerPageMax: 64,
  evictionsPerPageMax: 64,
  mapsInPlace: true,
});
