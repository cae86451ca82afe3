import "../../../src/drivers/index.ts";
import { poolContract } from "../../contracts/pool.ts";

poolContract({
  type: "zsmalloc",
  canReclaim: true,
  maxObjectBytes: (pageSize) => pageSize,
  objectsPerPageMax: 128,
  evictionsPerPageMax: 256,
  mapsInPlace: false,
});
